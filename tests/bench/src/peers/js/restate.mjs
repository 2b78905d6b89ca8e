// The saga as Restate's documentation writes one: each call a durable `ctx.run`, compensations in reverse.
import * as restate from "@restatedev/restate-sdk";
import http2 from "node:http2";
import { Refused, call, sagas } from "./participant.mjs";

// The SDK counts on Node.js 22; with this it runs on 20 too.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
};

async function step(path, saga) {
  try {
    return await call(path, saga);
  } catch (error) {
    if (error instanceof Refused) throw new restate.TerminalError("refused", { errorCode: 409 });
    throw error;
  }
}

const run = (steps) => async (ctx) => {
  const saga = Buffer.from(ctx.request().id).toString();
  const undo = [];
  try {
    for (const [path, back] of steps) {
      await ctx.run(path, () => step(path, saga));
      undo.push(back);
    }
  } catch (error) {
    if (!(error instanceof restate.TerminalError)) throw error;
    for (const back of undo.reverse()) await ctx.run(back, () => step(back, saga));
    return { status: "compensated" };
  }
  return { status: "completed" };
};

const saga = restate.service({
  name: "saga",
  handlers: { three: run(sagas.three), refused: run(sagas.refused) },
});

const endpoint = restate.endpoint().bind(saga);
const server = http2.createServer(endpoint.http2Handler());
server.listen(0, "127.0.0.1", () => console.log(`ready ${server.address().port}`));
