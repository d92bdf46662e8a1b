// @saintno/comfyui-sdk: ComfyApi, PromptBuilder and CallWrapper. What a node raises within milliseconds it calls
// "went missing", on any server, because it begins to listen for errors after its first look at history.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const { CallWrapper, ComfyApi, PromptBuilder } = require("@saintno/comfyui-sdk");
const base64 = async (blob) => Buffer.from(await blob.arrayBuffer()).toString("base64");

function run(api, prompt, node) {
  const builder = new PromptBuilder(prompt, [], ["made"]).setOutputNode("made", node);
  return new Promise((resolve, reject) => {
    new CallWrapper(api, builder).onFinished(resolve).onFailed(reject).run();
  });
}

async function picture(api, prompt) {
  const { made } = await run(api, prompt, "2");
  return base64(await api.getImage(made.images[0]));
}

async function words(asked) {
  try {
    return JSON.stringify(await asked());
  } catch (error) {
    return `${error.message} ${JSON.stringify(error.cause ?? null)}`;
  }
}

async function drive(task, url) {
  // It takes a socket for broken that was silent for ten seconds, in which no busy machine starts a service anew.
  const api = await new ComfyApi(url, undefined, { wsTimeout: 60_000 }).init().waitForReady();
  try {
    const { info } = await api.uploadImage(readFileSync(task.file), "photo.png");
    const edit = structuredClone(task.edit);
    edit["1"].inputs.image = info.filename;
    return {
      picture: await picture(api, task.picture),
      edited: await picture(api, edit),
      refused: await words(() => run(api, task.wrong, "2")),
    };
  } finally {
    api.destroy();
  }
}

const given = JSON.parse(readFileSync(0, "utf8"));
const found = [];
for (const url of given.servers) found.push(await drive(given, url));
process.stdout.write(JSON.stringify(found), () => process.exit(0));
