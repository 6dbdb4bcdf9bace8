// What is asked: examples, filters, collection. Kept in the address (#...), so that a link restores it whole;
// an uploaded picture is in there as a small JPEG.
// SPDX-License-Identifier: Apache-2.0

export const nothing = () => ({
  collection: '', model: '', examples: [], from: '', to: '', inView: false, view: null, onePlace: false,
  nodata: 100, texture: 0, threshold: '', exact: false,
});

// An example: {sign: 1 | -1, tile} or {sign, lon, lat, datetime} or {sign, image: data URL, name} or
// {sign, tiles: [keys], name} for the tiles of a box.
export const same = (a, b) => (a.tile && a.tile === b.tile) ||
  (a.lon !== undefined && a.lon === b.lon && a.lat === b.lat && a.datetime === b.datetime) ||
  (a.image && a.image === b.image);

// The example is added, or its sign changed where it is there already.
export function withExample(state, example) {
  const others = state.examples.filter((e) => !same(e, example));
  return { ...state, examples: [...others, example] };
}

function exampleBodies(example) {
  if (example.tile) return [{ tile: example.tile }];
  if (example.tiles) return example.tiles.map((tile) => ({ tile }));
  if (example.image) return [{ image: example.image }];
  return [{ lon: example.lon, lat: example.lat, ...(example.datetime ? { datetime: example.datetime } : {}) }];
}

const bodies = (examples, sign) => examples.filter((e) => e.sign === sign).flatMap(exampleBodies);

export const isAsked = (state) => state.examples.some((e) => e.sign === 1);

export const datetimeOf = (state) =>
  state.from || state.to ? `${state.from || '..'}/${state.to || '..'}` : undefined;

// The body of POST /search. Without a like: the tiles themselves, in their order.
export function questionOf(state, limit) {
  const question = { collections: [state.collection], limit };
  if (datetimeOf(state)) question.datetime = datetimeOf(state);
  if (state.inView && state.view) question.bbox = state.view;
  if (!isAsked(state)) return question;
  const akin = { like: bodies(state.examples, 1), k: 5000, explain: true };
  const unlike = bodies(state.examples, -1);
  if (unlike.length) akin.unlike = unlike;
  if (state.model) akin.model = state.model;
  if (state.onePlace) akin.collapse = 'place';
  if (state.exact) akin.exact = true;
  if (state.nodata < 100) akin.max_nodata = state.nodata / 100;
  if (state.texture > 0) akin.min_texture = state.texture;
  if (state.threshold !== '') akin.threshold = Number(state.threshold);
  return { ...question, akin };
}

export function toHash(state) {
  const plain = nothing();
  const said = Object.fromEntries(Object.entries(state).filter(([k, v]) => JSON.stringify(v) !== JSON.stringify(plain[k])));
  return Object.keys(said).length ? '#' + encodeURIComponent(JSON.stringify(said)) : '#';
}

const KEY = /^[0-9a-f]{16}$/;
const isNumber = (x) => typeof x === 'number' && Number.isFinite(x);

function goodExample(e) {
  if (!e || (e.sign !== 1 && e.sign !== -1)) return false;
  if (typeof e.tile === 'string') return KEY.test(e.tile);
  if (Array.isArray(e.tiles)) return e.tiles.length > 0 && e.tiles.every((t) => KEY.test(t));
  if (typeof e.image === 'string') return /^data:image\/(jpeg|png|webp|tiff);base64,/.test(e.image);
  return isNumber(e.lon) && isNumber(e.lat);
}

// A link comes from anywhere: what does not fit is left out.
export function fromHash(hash) {
  const state = nothing();
  let said;
  try { said = JSON.parse(decodeURIComponent(hash.slice(1)) || '{}'); } catch { return state; }
  for (const key of Object.keys(state))
    if (said && typeof said[key] === typeof state[key] && key !== 'examples' && key !== 'view') state[key] = said[key];
  if (Array.isArray(said?.examples)) state.examples = said.examples.filter(goodExample).slice(0, 64);
  if (Array.isArray(said?.view) && said.view.length === 4 && said.view.every(isNumber)) state.view = said.view;
  return state;
}
