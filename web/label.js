// Label mode: one big picture after the other, judged by keys, buttons or swipes; the server's learner picks the
// next batch, and says how sure it is.
// SPDX-License-Identifier: Apache-2.0
import { item, mark, markSets, marksExport, nextMarks, pictureOf, undoMark } from './api.js';
import { placeOf } from './results.js';

const BATCH = 12;
const CARD_PX = 1024;
const SWIPE_PX = 70;
const by = () => {
  let name = localStorage.getItem('akin.by');
  if (!name) localStorage.setItem('akin.by', name = 'page-' + crypto.getRandomValues(new Uint32Array(1))[0].toString(36));
  return name;
};

export class Labeller {
  // ids of index.html; first(): the likes and answers of the present question, to begin a new set with.
  constructor(find, first, say) {
    Object.assign(this, { find, first, say, queue: [], done: 0, of: 0, busy: Promise.resolve() });
    this.dialog = find('label');
    find('close-label').onclick = () => this.dialog.close();
    find('set').onchange = () => this.#begin();
    find('mode').onchange = () => this.#fetch();
    find('undo').onclick = () => this.#undo();
    for (const button of this.dialog.querySelectorAll('[data-mark]')) button.onclick = () => this.#judge(button.dataset.mark);
    this.dialog.addEventListener('keydown', (e) => this.#key(e));
    this.#swipes(find('card'));
  }

  get set() {
    const value = this.find('set').value.trim();
    return /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/.test(value) ? value : 'marks';
  }

  async open(collection) {
    this.collection = collection;
    this.dialog.showModal();
    this.find('card').focus(); // keys judge from the start
    const sets = await markSets(collection).catch(() => []);
    this.find('sets').replaceChildren(...sets.map((s) => Object.assign(document.createElement('option'), { value: s.set })));
    await this.#begin();
  }

  async #begin() {
    this.find('export-marks').href = marksExport(this.collection, this.set, 'geojson');
    this.find('export-marks').download = `${this.set}.geojson`;
    this.counts = null;
    this.precision = null;
    this.queue = []; // nothing can be judged until the set's own batch is there
    this.find('card-picture').hidden = true;
    await this.#fetch();
  }

  // The learner needs a like to begin with: before there is one, the present answers are what is judged.
  async #fetch() {
    const turn = this.turn = (this.turn ?? 0) + 1; // an answer that was overtaken by a later question does not count
    try {
      const found = await nextMarks(this.collection, this.set, BATCH, this.find('mode').value);
      if (turn !== this.turn) return;
      this.queue = found.features;
      this.precision = found.akin?.precision ?? null;
      if (found.akin?.likes !== undefined && !this.counts) this.counts = { like: found.akin.likes, unlike: found.akin.unlikes };
    } catch (why) {
      if (turn !== this.turn) return;
      if (why.code !== 409 && why.code !== 404) { this.#tell(why.message); return; }
      this.queue = this.first().slice(0, BATCH);
    }
    this.done = 0;
    this.of = this.queue.length;
    this.#show();
  }

  #show() {
    const answer = this.queue[0], picture = this.find('card-picture');
    this.find('label-bar').value = this.of ? this.done / this.of : 1;
    picture.style.transform = '';
    picture.hidden = !answer;
    this.find('card-text').textContent = answer
      ? [placeOf(answer) || answer.properties.title, answer.properties.time,
        answer.properties.score === undefined ? '' : `score ${answer.properties.score.toFixed(2)}`].filter(Boolean).join(' · ')
      : 'Nothing left to judge.';
    if (answer) picture.src = pictureOf(this.collection, answer.id, CARD_PX);
    if (this.queue[1]) new Image().src = pictureOf(this.collection, this.queue[1].id, CARD_PX);
    const { like = 0, unlike = 0, unsure = 0 } = this.counts ?? {};
    this.#tell(`${like} yes, ${unlike} no, ${unsure} unsure` +
      (this.precision === null ? '' : ` · precision about ${Math.round(100 * this.precision)} %`));
  }

  #tell(text) { this.find('label-text').textContent = text; }

  // One after the other, in the order of the keys pressed; the picture moves on at once.
  #judge(value) {
    const answer = this.queue[0];
    if (!answer) return;
    this.queue.shift();
    this.done++;
    this.busy = this.busy.then(async () => {
      this.counts = (await mark(this.collection, this.set, answer.id, value, by())).counts;
    }).catch((why) => { this.queue.unshift(answer); this.done--; this.#show(); this.#tell(why.message); });
    if (this.queue.length) this.#show();
    this.busy = this.busy.then(() => (this.queue.length ? this.#show() : this.#fetch()));
  }

  #undo() {
    this.busy = this.busy.then(async () => {
      const undone = await undoMark(this.collection, this.set, by());
      this.counts = undone.counts;
      this.queue.unshift(await item(this.collection, undone.tile));
      this.done = Math.max(0, this.done - 1);
      this.#show();
    }).catch((why) => this.#tell(why.message));
  }

  #key(event) {
    if (event.target.matches('input, select')) return;
    const value = { ArrowRight: 'like', ArrowLeft: 'unlike', ArrowDown: 'unsure', y: 'like', n: 'unlike', u: 'unsure' }[event.key];
    if (value) this.#judge(value);
    else if (event.key === 'Backspace' || event.key === 'z') this.#undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #swipes(card) {
    let from = null;
    const lean = (e) => {
      const dx = e.clientX - from.x, dy = e.clientY - from.y;
      if (dy > SWIPE_PX && dy > Math.abs(dx)) return 'unsure';
      return Math.abs(dx) < SWIPE_PX ? null : dx > 0 ? 'like' : 'unlike';
    };
    card.addEventListener('pointerdown', (e) => { from = { x: e.clientX, y: e.clientY }; card.setPointerCapture(e.pointerId); });
    card.addEventListener('pointermove', (e) => {
      if (!from) return;
      this.find('card-picture').style.transform = `translate(${e.clientX - from.x}px, ${Math.max(0, e.clientY - from.y)}px)`;
      card.dataset.lean = lean(e) ?? '';
    });
    const end = (e) => {
      const value = from && e.type === 'pointerup' ? lean(e) : null;
      from = null;
      card.dataset.lean = '';
      this.find('card-picture').style.transform = '';
      if (value) this.#judge(value);
    };
    card.addEventListener('pointerup', end);
    card.addEventListener('pointercancel', end);
  }
}
