// @stable-canvas/comfyui-client: its socket client, and the same by polling.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const { Client } = require("@stable-canvas/comfyui-client");
const WebSocket = require("ws");

const base64 = (bytes) => Buffer.from(bytes).toString("base64");

async function bytesOf(found) {
  return base64(await (await fetch(found.images[0].data)).arrayBuffer());
}

async function words(asked) {
  try {
    return JSON.stringify(await asked());
  } catch (error) {
    return `${error.message} ${JSON.stringify(error)} ${JSON.stringify(error.cause ?? null)}`;
  }
}

async function drive(task, url) {
  const client = new Client({ api_host: new URL(url).host, WebSocket, fetch });
  await client.connect();
  // Its enqueue() waits for "executed", which SaveImageWebsocket does not send.
  const streamed = new Promise((resolve) => client.on("image_data", ({ image }) => resolve(base64(image))));
  try {
    await client._enqueue_prompt(task.streamed);
    return {
      picture: await bytesOf(await client.enqueue(task.picture)),
      polled: await bytesOf(await client.enqueue_polling(task.polled, { polling_ms: 50 })),
      streamed: await streamed,
      failed: await words(() => client.enqueue(task.broken)),
      refused: await words(() => client.enqueue(task.wrong)),
    };
  } finally {
    client.close();
  }
}

const given = JSON.parse(readFileSync(0, "utf8"));
const found = [];
for (const url of given.servers) found.push(await drive(given, url));
process.stdout.write(JSON.stringify(found), () => process.exit(0));
