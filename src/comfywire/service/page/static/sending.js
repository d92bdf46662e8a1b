// Files on their way to the service.

import { ApiError, Unreachable, apiUrl, read } from "./api.js";
import { fromJsonWithFloats } from "./floats.js";
import { fromJson } from "./numbers.js";

// Uploads a file and returns the asset; `onShare` is told how much has gone, from 0 to 1.
export function upload(file, onShare = () => {}, name = file.name) {
  const form = new FormData();
  form.append("file", file, name || "picture.png");
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", apiUrl("assets"));
    request.upload.onprogress = (event) => event.lengthComputable && onShare(event.loaded / event.total);
    request.onerror = () => fail(new Unreachable());
    request.onload = () => {
      let body = null;
      try { body = fromJson(request.responseText); } catch { /* the status tells enough */ }
      if (request.status < 300) done(body);
      else fail(new ApiError(request.status, body));
    };
    request.send(form);
  });
}

// What a workflow file holds, as the service reads it: any file that a workflow can be in.
export async function inspect(blob) {
  let answer;
  try {
    answer = await fetch(apiUrl("workflows/inspect"), { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: blob });
  } catch {
    throw new Unreachable();
  }
  return read(answer, fromJsonWithFloats);
}
