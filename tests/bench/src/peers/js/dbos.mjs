// The saga as a DBOS workflow: each call a durable `DBOS.runStep`, compensations in reverse; a plain HTTP server in front.
import { DBOS } from "@dbos-inc/dbos-sdk";
import http from "node:http";
import { call, sagas } from "./participant.mjs";

const workflow = (name, steps) =>
  DBOS.registerWorkflow(
    async () => {
      const saga = DBOS.workflowID;
      const undo = [];
      try {
        for (const [path, back] of steps) {
          await DBOS.runStep(() => call(path, saga), { name: path });
          undo.push(back);
        }
      } catch (error) {
        if (error.name !== "Refused") throw error;
        for (const back of undo.reverse()) await DBOS.runStep(() => call(back, saga), { name: back });
        return { status: "compensated" };
      }
      return { status: "completed" };
    },
    { name },
  );

const workflows = Object.fromEntries(Object.entries(sagas).map(([name, steps]) => [`/saga/${name}`, workflow(name, steps)]));

DBOS.setConfig({
  name: "amends-bench",
  applicationVersion: "1",
  systemDatabaseUrl: process.env.DATABASE,
  systemDatabasePoolSize: Number(process.env.POOL),
  logLevel: "warn",
});
await DBOS.launch();

const server = http.createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
  for await (const _ of request);
  let status = 200;
  let body;
  try {
    const handle = await DBOS.startWorkflow(workflows[request.url])();
    body = JSON.stringify(await handle.getResult());
  } catch (error) {
    status = 500;
    body = JSON.stringify({ error: String(error) });
  }
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, "127.0.0.1", () => console.log(`ready ${server.address().port}`));
