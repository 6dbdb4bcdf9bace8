// The server, as the page sees it. Every call throws an Error whose message is the server's own sentence.
// SPDX-License-Identifier: Apache-2.0

let askForToken = async () => { throw new Error('this server wants a token'); };
export const onTokenWanted = (fn) => { askForToken = fn; };

async function send(address, options = {}, mayAsk = true) {
  const answer = await fetch(address, { credentials: 'same-origin', ...options });
  if ((answer.status === 401 || answer.status === 403) && mayAsk) {
    await askForToken();
    return send(address, options, false);
  }
  if (!answer.ok) {
    const why = await answer.json().catch(() => null);
    const error = new Error(why?.description ?? `the server answered ${answer.status}`);
    error.code = answer.status;
    throw error;
  }
  return answer;
}

const json = async (address, options) => (await send(address, options)).json();
const body = (value, method = 'POST') =>
  ({ method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) });

const query = (values) => {
  const known = Object.entries(values).filter(([, v]) => v !== undefined && v !== null && v !== '');
  return known.length ? '?' + new URLSearchParams(known) : '';
};

export const collections = async () => (await json('/collections')).collections;
export const logIn = (token) => send('/session', body({ token }), false);

// One page of answers: `question` is the body of POST /search. The next page's body is in `next`, or null.
export async function search(question, signal) {
  const found = await json('/search', { ...body(question), signal });
  const link = found.links.find((l) => l.rel === 'next');
  return { ...found, next: link ? (link.body ? { ...question, ...link.body } : null) : null };
}

export const item = (collection, key) => json(`/collections/${encodeURIComponent(collection)}/items/${key}`);

// The tiles that touch a box, `limit` at most.
export async function tilesIn(collection, bbox, limit, datetime) {
  const found = await json('/search' + query({ collections: collection, bbox: bbox.join(','), limit, datetime }));
  return found.features;
}

// All scenes, page by page; `most` bounds what a page's memory must hold.
export async function scenes(collection, most = 5000) {
  const all = [];
  let address = '/scenes' + query({ collection, limit: 1000 });
  while (address && all.length < most) {
    const found = await json(address);
    all.push(...found.scenes);
    const link = found.links.find((l) => l.rel === 'next');
    address = link ? new URL(link.href, location.href).pathname + new URL(link.href, location.href).search : null;
  }
  return all;
}

export const pictureOf = (collection, key, size) => `/tiles/${key}.jpg` + query({ collection, size });
export const whereOf = (collection, key, to, model) => `/similarity/${key}` + query({ collection, to, model });
export const mapTile = (collection, scene, z, x, y) =>
  `/scenes/${scene}/${z}/${x}/${y}.png` + query({ collection, grid: 'WorldCRS84Quad' });

export const markSets = async (collection) => (await json('/marks' + query({ collection }))).sets;
export const mark = (collection, set, key, value, by) =>
  json(`/marks/${set}/${key}` + query({ collection, by }), body({ mark: value }, 'PUT'));
export const undoMark = (collection, set, by) =>
  json(`/marks/${set}/undo` + query({ collection, by }), { method: 'POST' });
export const nextMarks = (collection, set, n, mode) => json(`/marks/${set}/next` + query({ collection, n, mode }));
export const marksExport = (collection, set, format) => `/marks/${set}` + query({ collection, format });
