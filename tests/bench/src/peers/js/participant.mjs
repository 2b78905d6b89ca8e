// The call of a peer's step: the same participant, path and body as Amends calls, over kept connections.
import http from "node:http";

const base = new URL(process.env.PARTICIPANT);
// node:http rather than fetch: it costs the peer less.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1024, maxFreeSockets: 1024 });

// By name: what comes back from a journal is an error, but no longer one of this class.
export class Refused extends Error {
  name = "Refused";
}

export function call(path, saga) {
  const body = JSON.stringify({ saga });
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        agent,
        host: base.hostname,
        port: base.port,
        method: "POST",
        path,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "idempotency-key": `"${saga}:${path}"`,
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => (text += chunk));
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else if (response.statusCode === 409) reject(new Refused(text));
          else reject(new Error(`${path}: ${response.statusCode}`));
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

// name → the path of each step's call and of the call that undoes it
export const sagas = {
  three: [
    ["/one", "/one/undo"],
    ["/two", "/two/undo"],
    ["/three", "/three/undo"],
  ],
  refused: [
    ["/one", "/one/undo"],
    ["/two", "/two/undo"],
    ["/refuse", "/three/undo"],
  ],
};
