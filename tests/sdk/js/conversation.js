// What conversations are made of, and what comes back.

export const tool = (name, properties) => ({
  toolSpec: {
    name,
    description: name,
    inputSchema: { json: { type: "object", properties, required: Object.keys(properties) } },
  },
});

export const user = (...content) => ({ role: "user", content: content.map(block) });
export const assistant = (...content) => ({ role: "assistant", content: content.map(block) });
const block = (part) => (typeof part === "string" ? { text: part } : part);
export const text = (answer) =>
  answer.output.message.content.map((part) => part.text ?? "").join("");

/** One answer out of the events of a stream. */
export async function fold(stream, seen = []) {
  const content = [];
  let answer = {};
  for await (const event of stream) {
    seen.push(event);
    const [[name, value]] = Object.entries(event);
    if (name === "contentBlockStart") {
      content[value.contentBlockIndex] = { toolUse: { ...value.start.toolUse, input: "" } };
    } else if (name === "contentBlockDelta") {
      const part = (content[value.contentBlockIndex] ??= {});
      if (value.delta.text !== undefined) part.text = (part.text ?? "") + value.delta.text;
      if (value.delta.toolUse) part.toolUse.input += value.delta.toolUse.input;
      if (value.delta.reasoningContent?.text) {
        part.reasoning = (part.reasoning ?? "") + value.delta.reasoningContent.text;
      }
    } else if (name !== "contentBlockStop") {
      answer = { ...answer, ...value };
    }
  }
  return { ...answer, output: { message: { role: answer.role, content } } };
}
