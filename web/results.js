// The grid of pictures: answers page by page as one scrolls, each a question of its own.
// SPDX-License-Identifier: Apache-2.0
import { pictureOf, whereOf } from './api.js';

const PICTURE_PX = 256;
const place = (lon, lat) =>
  `${Math.abs(lat).toFixed(2)}° ${lat < 0 ? 'S' : 'N'}, ${Math.abs(lon).toFixed(2)}° ${lon < 0 ? 'W' : 'E'}`;

export function placeOf(answer) {
  if (!answer.geometry || !answer.bbox) return '';
  let [w, s, e, n] = answer.bbox;
  if (e < w) e += 360;
  return place((((w + e) / 2 + 540) % 360) - 180, (s + n) / 2);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class Grid {
  // on: {ask(answer), add(answer, sign), hover(key | null), more()}
  constructor(list, end, on) {
    this.list = list;
    this.on = on;
    this.answers = [];
    this.where = null; // {to, model}: heat instead of plain pictures
    this.cards = new Map();
    new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) this.on.more(); },
      { root: list.parentElement, rootMargin: '600px' }).observe(end);
    list.addEventListener('keydown', (e) => this.#key(e));
  }

  clear(collection) {
    this.collection = collection;
    this.answers = [];
    this.cards.clear();
    this.list.replaceChildren();
    this.list.parentElement.scrollTop = 0;
  }

  append(answers) {
    this.answers.push(...answers);
    this.list.append(...answers.map((a) => this.#card(a)));
  }

  #card(answer) {
    const { score, rank, time, title, label } = answer.properties;
    const where = placeOf(answer), name = [where, time, where ? '' : label || title].filter(Boolean).join(', ');
    const picture = element('img', { loading: 'lazy', decoding: 'async', alt: '', draggable: 'false' });
    this.#source(picture, answer.id);
    const facts = element('span', { class: 'facts' });
    if (score !== undefined) facts.append(element('span', { class: 'score' }, score.toFixed(3)));
    for (const text of [where || title, time]) if (text) facts.append(element('span', { title: text }, text));
    const ask = element('button', { class: 'ask', type: 'button',
      'aria-label': `${rank ? `${rank}: ` : ''}${name || answer.id}${score === undefined ? '' : `, score ${score.toFixed(3)}`}; more like this` }, picture, facts);
    ask.addEventListener('click', () => this.on.ask(answer));
    const sign = (text, value, say) => {
      const button = element('button', { type: 'button', title: say, 'aria-label': say }, text);
      button.addEventListener('click', () => this.on.add(answer, value));
      return button;
    };
    const card = element('li', { 'data-key': answer.id }, ask,
      element('div', { class: 'signs' }, sign('+', 1, 'Also like this one'), sign('−', -1, 'Not like this one')));
    card.addEventListener('pointerenter', () => this.on.hover(answer.id));
    card.addEventListener('pointerleave', () => this.on.hover(null));
    card.addEventListener('focusin', () => this.on.hover(answer.id));
    this.cards.set(answer.id, { card, picture, answer });
    return card;
  }

  // An encoder that sees a tile only as a whole has no inside: then the plain picture comes back.
  #source(picture, key) {
    const plain = pictureOf(this.collection, key, PICTURE_PX);
    picture.onerror = this.where ? () => { picture.onerror = null; picture.src = plain; this.on.noWhere?.(); } : null;
    picture.src = this.where ? whereOf(this.collection, key, this.where.to, this.where.model) : plain;
  }

  setWhere(where) {
    this.where = where;
    for (const [key, { picture }] of this.cards) this.#source(picture, key);
  }

  point(key, scroll = false) {
    this.list.querySelector('.pointed')?.classList.remove('pointed');
    const found = key && this.cards.get(key);
    if (!found) return;
    found.card.classList.add('pointed');
    if (scroll) found.card.scrollIntoView({ block: 'nearest' });
  }

  #key(event) {
    const card = event.target.closest('li');
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    const { answer } = this.cards.get(card.dataset.key);
    if (event.key === '+' || event.key === '-') {
      this.on.add(answer, event.key === '+' ? 1 : -1);
      event.preventDefault();
      return;
    }
    const cards = [...this.list.children], at = cards.indexOf(card);
    const columns = Math.max(1, cards.findIndex((c) => c.offsetTop > cards[0].offsetTop));
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const to = step && cards[at + step];
    if (!to) return;
    event.preventDefault();
    to.querySelector('.ask').focus();
  }
}
