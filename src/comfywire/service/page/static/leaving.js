// What ComfyUI's editor (1.49.6, 1.58.1) keeps in the browser of workflows and of what was copied goes at a sign-out that was
// meant; a session that ended by itself takes nobody's unsaved workflow away. The editor's settings are at the service.

const EDITORS = ["Comfy.Workflow.", "Comfy.PreviousWorkflow", "Comfy.OpenWorkflowsPaths", "Comfy.ActiveWorkflowIndex", "workflow", "litegrapheditor_clipboard"];

export function forgetEditor() {
  for (const storage of [localStorage, sessionStorage]) {
    for (const name of Object.keys(storage)) if (EDITORS.some((one) => name.startsWith(one))) storage.removeItem(name);
  }
}
