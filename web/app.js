// The page: state in, question out, answers shown. What each part does is in its own module.
// SPDX-License-Identifier: Apache-2.0
import * as api from './api.js';
import * as download from './download.js';
import { Labeller } from './label.js';
import { PlaceMap } from './map.js';
import { exampleOf, listen } from './pictures.js';
import { Grid } from './results.js';
import { datetimeOf, fromHash, isAsked, nothing, questionOf, toHash, withExample } from './state.js';

const find = (id) => document.getElementById(id);
const PAGE = 60, BOX_TILES = 8, SAMPLE = 1000;
const main = document.querySelector('main');

let state = fromHash(location.hash);
let collections = [], dates = [], current = null; // current: {abort, next, busy}
let map = null;

const collection = () => collections.find((c) => c.id === state.collection);

function say(text, bad = false) {
  find('status').textContent = text;
  find('status').classList.toggle('bad', bad);
}

// ---- the question ----

function update(change, ask = true) {
  state = { ...state, ...change };
  history.replaceState(null, '', toHash(state));
  drawExamples();
  drawFilters();
  if (ask) answer();
}

const add = (example) => update(withExample(state, example));
const askFor = (answered) => update({ examples: [{ sign: 1, tile: answered.id }] });

async function answer() {
  current?.abort.abort();
  const mine = current = { abort: new AbortController(), next: questionOf(state, PAGE), busy: false, count: 0 };
  grid.clear(state.collection);
  showWhere();
  map?.show([]);
  await (isUnasked() ? sample(mine) : more());
  if (mine === current && !mine.failed && grid.answers.length === 0) say('No tile answers this; loosen the filters.');
}

const isUnasked = () => !isAsked(state) && !datetimeOf(state) && !(state.inView && state.view);

// Before a question: a handful of tiles that have something in them, in an order that is always the same.
async function sample(mine) {
  try {
    const found = await api.search(questionOf(state, SAMPLE), mine.abort.signal);
    const full = found.features.filter((f) => f.properties.texture > 8);
    const mixed = (full.length >= PAGE ? full : found.features)
      .map((f, i) => ({ f, order: (i * 2654435761) % 4294967296 })).sort((a, b) => a.order - b.order).map(({ f }) => f);
    if (mine !== current) return;
    mine.next = null;
    grid.append(mixed.slice(0, 4 * PAGE));
    tell(found);
  } catch (why) {
    if (why.name === 'AbortError') return;
    mine.failed = true;
    say(why.message, true);
  }
}

async function more() {
  const mine = current;
  if (!mine || mine.busy || !mine.next) return;
  mine.busy = true;
  try {
    const found = await api.search(mine.next, mine.abort.signal);
    if (mine !== current) return;
    mine.next = found.next;
    grid.append(found.features);
    map?.show(grid.answers.slice(0, 2000));
    tell(found);
  } catch (why) {
    if (why.name === 'AbortError') return;
    mine.failed = true;
    mine.next = null;
    say(why.message, true);
  } finally { mine.busy = false; }
  if (mine === current && mine.next && find('more').getBoundingClientRect().top < innerHeight + 600) more();
}

function tell(found) {
  const tiles = collection()?.akin?.tiles;
  const how = found.akin?.explain;
  say(isAsked(state)
    ? `${grid.answers.length}${current.next ? ' and more' : ''} answers of ${tiles ?? '?'} tiles` +
      (how ? ` in ${(how.search_ms + how.encode_ms).toFixed(1)} ms (${how.way})` : '')
    : `${tiles ?? ''} tiles. Click one, click the map, or drop a picture: more like it.`);
}

// ---- examples and filters ----

function drawExamples() {
  find('examples').replaceChildren(...state.examples.map((e) => {
    const item = document.createElement('li');
    item.classList.toggle('unlike', e.sign < 0);
    const key = e.tile ?? e.tiles?.[0];
    const name = e.name ?? (e.tile ? '' : e.tiles ? `${e.tiles.length} tiles` : `${e.lat}, ${e.lon}`);
    if (key || e.image)
      item.append(Object.assign(new Image(), { src: e.image ?? api.pictureOf(state.collection, key, 64), alt: e.tile ?? 'example' }));
    if (name) item.append(Object.assign(document.createElement('span'), { className: 'name', textContent: name, title: name }));
    const button = (text, title, fn) => {
      const made = Object.assign(document.createElement('button'), { type: 'button', textContent: text, title });
      made.setAttribute('aria-label', title);
      made.onclick = fn;
      item.append(made);
    };
    button(e.sign > 0 ? '+' : '−', e.sign > 0 ? 'Liked; turn into: not like this' : 'Not liked; turn into: like this',
      () => update({ examples: state.examples.map((x) => (x === e ? { ...x, sign: -x.sign } : x)) }));
    button('✕', 'Remove this example', () => update({ examples: state.examples.filter((x) => x !== e) }));
    return item;
  }));
  find('clear').hidden = !state.examples.length;
}

const FIELDS = { from: 'from', to: 'to', 'in-view': 'inView', 'one-a-place': 'onePlace', 'max-nodata': 'nodata', 'min-texture': 'texture', threshold: 'threshold', exact: 'exact' };

function drawFilters() {
  const plain = nothing();
  let count = 0;
  for (const [id, key] of Object.entries(FIELDS)) {
    const input = find(id);
    if (input.type === 'checkbox') input.checked = state[key];
    else if (document.activeElement !== input) input.value = state[key];
    count += state[key] !== plain[key];
  }
  find('filter-count').textContent = count ? ` (${count})` : '';
}

for (const [id, key] of Object.entries(FIELDS))
  find(id).addEventListener('change', ({ target }) => {
    if (!target.checkValidity()) { target.reportValidity(); return; }
    update({ [key]: target.type === 'checkbox' ? target.checked : typeof nothing()[key] === 'number' ? Number(target.value) : target.value });
  });

// ---- the map ----

async function drawScenes() {
  if (!map) return;
  const date = dates[find('time-slider').value];
  find('time-text').textContent = date?.time ?? '';
  map.setScenes(state.collection, date ? date.scenes : []);
}

// Scenes by their date, earliest first; those without a time are one date.
async function loadScenes() {
  const placed = (await api.scenes(state.collection)).filter((s) => s.bbox && s.links?.some((l) => l.rel === 'tilejson'));
  const byDate = Map.groupBy ? Map.groupBy(placed, (s) => s.time ?? '') : placed.reduce((all, s) => all.set(s.time ?? '', [...(all.get(s.time ?? '') ?? []), s]), new Map());
  dates = [...byDate].map(([time, scenes]) => ({ time, scenes })).sort((a, b) => (a.time < b.time ? -1 : 1));
  find('time-slider').max = Math.max(0, dates.length - 1);
  find('time-slider').value = dates.length - 1;
  find('time').hidden = dates.length < 2 && !dates[0]?.time;
  await drawScenes();
  map.fitScenes();
}

// The tile under the pointer, of the map's date, becomes the example: of those that overlap there, the nearest.
async function askAt(lon, lat) {
  const datetime = dates[find('time-slider').value]?.time || undefined;
  try {
    const tiles = await api.tilesIn(state.collection, [lon, lat, lon, lat], 64, datetime);
    const far = ({ bbox: [w, s, e, n] }) => Math.hypot((((w + (e < w ? e + 360 : e)) / 2 - lon + 540) % 360) - 180, (s + n) / 2 - lat);
    const nearest = tiles.filter((t) => t.bbox).sort((a, b) => far(a) - far(b))[0];
    if (nearest) add({ sign: 1, tile: nearest.id });
    else say('There is no tile there.', true);
  } catch (why) { say(why.message, true); }
}

function makeMap() {
  let asked = 0;
  map = new PlaceMap(find('map'), {
    point: askAt,
    box: async (bbox) => {
      try {
        const tiles = (await api.tilesIn(state.collection, bbox, BOX_TILES)).map((f) => f.id);
        if (tiles.length) add({ sign: 1, tiles, name: `box of ${tiles.length}` });
        else say('There is no tile in this box.', true);
      } catch (why) { say(why.message, true); }
    },
    hover: (key) => { grid.point(key, true); map.point(key); },
    moved: (view) => {
      if (!state.inView) { state.view = view; return; }
      clearTimeout(asked);
      asked = setTimeout(() => update({ view }), 300);
    },
  });
  map.onBoxMode = (active) => find('box-tool').setAttribute('aria-pressed', active);
}

find('time-slider').oninput = drawScenes;
const step = (by) => { find('time-slider').value = Number(find('time-slider').value) + by; drawScenes(); };
find('time-back').onclick = () => step(-1);
find('time-on').onclick = () => step(1);
find('projection').onchange = (e) => map.setProjection(e.target.value);
const boxTool = () => map?.boxMode(find('box-tool').getAttribute('aria-pressed') !== 'true');
find('box-tool').onclick = boxTool;

// ---- answers ----

const grid = new Grid(find('grid'), find('more'), {
  ask: askFor,
  add: (answered, sign) => add({ sign, tile: answered.id }),
  hover: (key) => map?.point(key),
  more,
  noWhere: () => say('This encoder sees a tile only as a whole; where inside is known to trained ones.'),
});

function showWhere() {
  const liked = state.examples.filter((e) => e.sign > 0).flatMap((e) => e.tile ?? e.tiles ?? []);
  grid.setWhere(find('where').checked && liked.length ? { to: liked.slice(0, 8).join(','), model: state.model } : null);
  if (find('where').checked && !liked.length) say('Where: ask with a tile of the collection first.');
}
find('where').onchange = showWhere;

async function takePictures(files) {
  try {
    for (const file of files) state = withExample(state, await exampleOf(file));
    if (files.length) update({});
  } catch (why) { say(why.message, true); }
}
listen(takePictures);
find('file').onchange = async ({ target }) => { await takePictures([...target.files]); target.value = ''; };
find('clear').onclick = () => update({ examples: [] });
const fetchAll = (how) => async () => {
  try { say(`${await how(questionOf(state, PAGE), say)} answers saved.`); } catch (why) { say(why.message, true); }
};
find('get-geojson').onclick = fetchAll(download.geojson);
find('get-csv').onclick = fetchAll(download.csv);
find('question').onsubmit = (e) => e.preventDefault();
find('copy-link').onclick = async () => {
  try { await navigator.clipboard.writeText(location.href); say('The link is copied.'); } catch { say('The address of this page is the link.'); }
};

// ---- the rest of the page ----

const labeller = new Labeller(find, () => grid.answers, say);
const openLabel = () => labeller.open(state.collection).catch((why) => say(why.message, true));
find('open-label').onclick = openLabel;
find('open-help').onclick = () => find('help').showModal();
find('theme').onclick = () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  localStorage.setItem('akin.theme', document.documentElement.dataset.theme = dark ? 'light' : 'dark');
};
if (localStorage.getItem('akin.theme')) document.documentElement.dataset.theme = localStorage.getItem('akin.theme');

for (const tab of find('tabs').children)
  tab.onclick = () => {
    main.dataset.view = tab.dataset.view;
    for (const other of find('tabs').children) other.setAttribute('aria-pressed', other === tab);
    map?.map.updateSize();
  };
main.dataset.view = 'answers';

addEventListener('keydown', (e) => {
  if (e.target.matches('input, select, textarea') || e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
  const todo = { '?': () => find('help').showModal(), l: openLabel, b: boxTool, w: () => find('where').click() }[e.key];
  if (todo) { e.preventDefault(); todo(); }
});
addEventListener('hashchange', () => { state = { ...fromHash(location.hash), view: state.view }; choose(); });

api.onTokenWanted(() => new Promise((good, bad) => {
  const dialog = find('login');
  if (!dialog.open) dialog.showModal();
  dialog.onclose = () => bad(new Error('no token was given'));
  find('login-form').onsubmit = async (e) => {
    e.preventDefault();
    try {
      await api.logIn(find('token').value);
      dialog.onclose = null;
      dialog.close();
      good();
    } catch (why) { find('login-text').textContent = why.message; }
  };
}));

function fillPicks() {
  const options = (values, chosen) => values.map(([value, text]) => Object.assign(document.createElement('option'), { value, textContent: text, selected: value === chosen }));
  find('collection').replaceChildren(...options(collections.map((c) => [c.id, c.title ?? c.id]), state.collection));
  find('collection-pick').hidden = collections.length < 2;
  const models = collection()?.akin?.models ?? [];
  find('model').replaceChildren(...options(models.map((m) => [m.default ? '' : m.name, m.name]), state.model));
  find('model').parentElement.hidden = models.length < 2;
}

// Shows the collection that the state names, or the first.
async function choose() {
  if (!collection()) state.collection = collections[0]?.id ?? '';
  document.title = `akin: ${collection()?.title ?? state.collection}`;
  fillPicks();
  const placed = Boolean(collection()?.akin?.placed);
  main.classList.toggle('no-places', !placed);
  find('tabs').hidden = !placed;
  find('in-view').parentElement.hidden = !placed;
  find('one-a-place').parentElement.hidden = !placed;
  if (placed && !map) makeMap();
  update({});
  if (placed) await loadScenes();
}
find('collection').onchange = (e) => { state = { ...nothing(), collection: e.target.value }; choose(); };
find('model').onchange = (e) => update({ model: e.target.value });

try {
  collections = await api.collections();
  if (collections.length) await choose();
  else say('This server has no collection.', true);
} catch (why) { say(why.message, true); }
