# The images of the server and of ml: `docker build --target server .`, `docker build --target ml .`
FROM denoland/deno:bin-2.9.6 AS deno

FROM debian:12-slim AS base
# libstdc++6 and libgomp1 are what the prebuilt llama.cpp links against
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libstdc++6 libgomp1 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --create-home assistant \
  && install -d -o assistant -g assistant /app /deno-dir /data /models
COPY --from=deno /deno /usr/local/bin/deno
ENV DENO_DIR=/deno-dir DENO_NO_PROMPT=1 DENO_NO_UPDATE_CHECK=1 DATA_DIR=/data
USER assistant
WORKDIR /app
COPY --chown=assistant deno.json deno.lock package.json ./
# Both images share this layer; only a change of packages builds it anew
RUN deno install --frozen
COPY --chown=assistant deps.ts ./
COPY --chown=assistant contract/ contract/
COPY --chown=assistant lib/ lib/
VOLUME /data
STOPSIGNAL SIGTERM

FROM base AS server
COPY --chown=assistant server/ server/
ENV SERVER_HOST=0.0.0.0 SERVER_PORT=3100
EXPOSE 3100
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["deno", "eval", "const { ok } = await fetch('http://127.0.0.1:' + Deno.env.get('SERVER_PORT') + '/health'); Deno.exit(ok ? 0 : 1);"]
CMD ["deno", "run", "--cached-only", "--frozen", "--allow-net", "--allow-env", "--allow-sys", "--allow-read", "--allow-write=/data,/tmp", "server/main.ts"]

# Runs from source: llama.cpp's addon finds the libraries beside it in the package folder
FROM base AS ml
COPY --chown=assistant ml/ ml/
# On this bind ml asks for ML_TOKEN at start
ENV ML_HOST=0.0.0.0 ML_PORT=8100 MODELS_DIR=/models
VOLUME /models
EXPOSE 8100
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["deno", "eval", "const { ok } = await fetch('http://127.0.0.1:' + Deno.env.get('ML_PORT') + '/health'); Deno.exit(ok ? 0 : 1);"]
# --allow-run: node-llama-cpp tries its native library in a process of its own before it loads it
CMD ["deno", "run", "--cached-only", "--frozen", "--allow-net", "--allow-env", "--allow-sys", "--allow-read", "--allow-write=/data,/models,/tmp", "--allow-ffi", "--allow-run", "ml/main.ts"]
