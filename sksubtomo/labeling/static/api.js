// Requests to the server. Addresses are relative to the page, whose path has the token.

async function answer(response) {
  const content = await response.json().catch(() => ({ error: `The server said ${response.status}.` }));
  if (!response.ok) throw new Error(content.error || `The server said ${response.status}.`);
  return content;
}

export async function get(path, values = {}) {
  return answer(await fetch(`api/${path}?${new URLSearchParams(values)}`));
}

export async function post(path, content = {}) {
  const body = JSON.stringify(content);
  return answer(await fetch(`api/${path}`, {
    method: "POST", body, headers: { "Content-Type": "application/json" },
  }));
}

export async function volume(row, lowPass, signal) {
  const response = await fetch(`api/volume/${row}?low_pass=${lowPass}`, { signal });
  if (!response.ok) return answer(response);
  return new Uint16Array(await response.arrayBuffer());
}

export const tileAddress = (row, lowPass) => `api/tile/${row}.png?low_pass=${lowPass}`;
export const sliceAddress = (row) => `api/slice/${row}.png`;
