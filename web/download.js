// Answers as files: all pages of the question, not only what has been scrolled to.
// SPDX-License-Identifier: Apache-2.0
import { search } from './api.js';

const PAGE = 1000;

async function all(question, say) {
  const features = [];
  for (let next = { ...question, limit: PAGE }; next;) {
    const found = await search(next);
    features.push(...found.features);
    say(`${features.length} answers…`);
    next = question.akin ? found.next : null; // without a question: one page of tiles
  }
  return features;
}

function save(name, type, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const cell = (value) => {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export async function geojson(question, say) {
  const features = await all(question, say);
  save('akin.geojson', 'application/geo+json', JSON.stringify({ type: 'FeatureCollection', features }));
  return features.length;
}

export async function csv(question, say) {
  const features = await all(question, say);
  const rows = features.map(({ id, bbox, properties: p }) =>
    [p.rank, id, p.score, p.datetime, ...(bbox ?? ['', '', '', '']), p.scene, p.title, p.label].map(cell).join(','));
  save('akin.csv', 'text/csv', ['rank,tile,score,datetime,west,south,east,north,scene,title,label', ...rows, ''].join('\r\n'));
  return features.length;
}
