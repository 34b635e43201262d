# The images of the server and of ml, each for linux/amd64 and linux/arm64:
#   server, ml                 with the compiled programs; building them fetches Deno's runtime for such programs
#   server-source, ml-source   the same files, run by Deno itself; building them needs npm alone
#   ml-cuda                    ml from source with node-llama-cpp's CUDA libraries; linux/amd64 only
#   docker build --target server .
FROM denoland/deno:bin-2.9.6 AS deno

# Compiles on the machine that builds, for the platform that is built for.
FROM --platform=$BUILDPLATFORM debian:12-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
COPY --from=deno /deno /usr/local/bin/deno
ENV DENO_DIR=/deno-dir DENO_NO_PROMPT=1 DENO_NO_UPDATE_CHECK=1
WORKDIR /build/assistant
COPY deno.json deno.lock package.json ./
COPY server/dashboard/deno.json server/dashboard/
# Only a change of packages builds this layer again.
RUN deno install --frozen
COPY deps.ts ./
COPY contract/ contract/
COPY lib/ lib/
COPY packaging/ packaging/
COPY tools/ tools/
COPY server/ server/
COPY ml/ ml/

FROM build AS server-build
ARG TARGETARCH
RUN deno run -A packaging/compile.ts server --docker-arch "$TARGETARCH" --output /out/conversation-server

FROM build AS ml-build
ARG TARGETARCH
RUN deno run -A packaging/compile.ts ml --docker-arch "$TARGETARCH" --output /out/conversation-ml

# Linked with Deno itself, the program is not run: its files are.
FROM build AS server-tree
ARG TARGETARCH
RUN DENORT_BIN=/usr/local/bin/deno deno run -A packaging/compile.ts server --docker-arch "$TARGETARCH" --output /out/conversation-server \
  && deno run -A packaging/extract_program.ts /out/conversation-server /app

FROM build AS ml-tree
ARG TARGETARCH
RUN DENORT_BIN=/usr/local/bin/deno deno run -A packaging/compile.ts ml --docker-arch "$TARGETARCH" --output /out/conversation-ml \
  && deno run -A packaging/extract_program.ts /out/conversation-ml /app

FROM debian:12-slim AS base
# libstdc++6 and libgomp1 are what the prebuilt llama.cpp and PostgreSQL link against.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libstdc++6 libgomp1 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --no-create-home --home-dir /data assistant \
  && install -d -o assistant -g assistant -m 0700 /data /models /backups
ENV DENO_DIR=/tmp/deno DENO_NO_PROMPT=1 DENO_NO_UPDATE_CHECK=1 DATA_DIR=/data
STOPSIGNAL SIGTERM

FROM base AS server-base
ENV SERVER_HOST=0.0.0.0 SERVER_PORT=3100
EXPOSE 3100
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["conversation-server", "healthcheck"]
CMD ["conversation-server"]

FROM base AS ml-base
# On this bind ml asks for ML_TOKEN at start.
ENV ML_HOST=0.0.0.0 ML_PORT=8100 MODELS_DIR=/models
EXPOSE 8100
VOLUME ["/data", "/models"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["conversation-ml", "healthcheck"]
CMD ["conversation-ml"]

FROM server-base AS server-source
COPY --from=deno /deno /usr/local/bin/deno
COPY --from=server-tree /app /app
RUN ln -s /app/conversation-server /usr/local/bin/conversation-server
USER 10001

FROM ml-base AS ml-source
COPY --from=deno /deno /usr/local/bin/deno
COPY --from=ml-tree /app /app
RUN ln -s /app/conversation-ml /usr/local/bin/conversation-ml
USER 10001

# The libraries of CUDA come from node-llama-cpp's packages (540 MB) and from this base; the driver from the host.
FROM nvidia/cuda:12.8.1-runtime-ubuntu24.04 AS ml-cuda
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data assistant \
  && install -d -o assistant -g assistant -m 0700 /data /models
COPY --from=deno /deno /usr/local/bin/deno
ENV DENO_DIR=/deno-dir DENO_NO_PROMPT=1 DENO_NO_UPDATE_CHECK=1 DATA_DIR=/data
WORKDIR /app
COPY --from=build /build/assistant /app
RUN deno task gpu on && deno install --entrypoint ml/main.ts \
  && printf '#!/bin/sh\nexec deno task --quiet --config /app/deno.json ml "$@"\n' > /usr/local/bin/conversation-ml \
  && chmod 0755 /usr/local/bin/conversation-ml
ENV ML_HOST=0.0.0.0 ML_PORT=8100 MODELS_DIR=/models
EXPOSE 8100
VOLUME ["/data", "/models"]
USER 10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["conversation-ml", "healthcheck"]
CMD ["conversation-ml"]

FROM ml-base AS ml
COPY --from=ml-build /out/conversation-ml /usr/local/bin/conversation-ml
# The program extracts its files beside itself on its first start; here, once, so that the root may be read-only later.
RUN conversation-ml --version
USER 10001

FROM server-base AS server
COPY --from=server-build /out/conversation-server /usr/local/bin/conversation-server
USER 10001
