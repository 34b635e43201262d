/** Tests that services which start at a time get ports of their own, and that a port which is taken meanwhile is left. */
import assert from "node:assert/strict";
import { startOnFreePort } from "./free_port.ts";
import { choosePort } from "./service_process.ts";

/** A service that runs until it is ended, and listens nowhere yet: the time between choice and use is long. */
function startedService(port: number) {
  const { promise: ended, resolve } = Promise.withResolvers<Deno.CommandStatus>();
  return { port, ended, end: () => resolve({ success: true, code: 0, signal: null }) };
}

Deno.test("two services that prefer the same port get two, though neither listens yet, and it is free after the end", async () => {
  const preferred = choosePort();
  const start = (port: number) => Promise.resolve(startedService(port));
  const services = await Promise.all([1, 2, 3].map(() => startOnFreePort(preferred, start)));
  const ports = services.map(({ port }) => port);
  assert.equal(new Set(ports).size, 3, ports.join(" "));
  assert.ok(ports.includes(preferred));
  for (const service of services) {
    service.end();
    await service.ended;
  }
  const again = await startOnFreePort(preferred, start);
  assert.equal(again.port, preferred);
  again.end();
  await again.ended;
});

Deno.test("a service whose port a stranger takes before it starts on another one; what else fails is not tried again", async () => {
  const preferred = choosePort();
  const tried: number[] = [];
  let stranger: Deno.Listener | undefined;
  const service = await startOnFreePort(preferred, (port) => {
    tried.push(port);
    if (tried.length > 1) return Promise.resolve(startedService(port));
    stranger = Deno.listen({ hostname: "127.0.0.1", port });
    return Promise.reject(new Error("the service ended at its start"));
  });
  stranger?.close();
  assert.equal(tried[0], preferred);
  assert.deepEqual([tried.length, service.port], [2, tried[1]]);
  service.end();
  await service.ended;
  let starts = 0;
  const failing = startOnFreePort(choosePort(), () => {
    starts++;
    return Promise.reject(new Error("it has no model"));
  });
  await assert.rejects(failing, /it has no model/);
  assert.equal(starts, 1);
});
