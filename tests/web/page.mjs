// The page in a real browser (Debian's chromium, driven by playwright-core): one case a function, in the lines that tests/check.c
// prints, too. Called by tests/cli/page.sh:
//
//     node page.mjs ADDRESS-WITH-PLACES ADDRESS-WITHOUT PICTURE FOLDER-FOR-SCREENSHOTS
//
// Screenshots are compared loosely with those of tests/web/shots: 24 x 16 averages of grey, whose mean difference stays small
// where nothing has moved and is large where a part of the page is gone. AKIN_SHOTS=new writes them anew.
//
// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { chromium } = createRequire(join(process.env.AKIN_NPM, 'node_modules', 'x.js'))('playwright-core');
const [placed, unplaced, picture, shots] = process.argv.slice(2);
const SHOTS = join(dirname(fileURLToPath(import.meta.url)), 'shots');
const DIFFERENCE_MAX = 18; // of 255

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--force-color-profile=srgb'],
});

let failed = 0, faults = [];
const check = (holds, what) => { if (!holds) faults.push(what); };
const equal = (got, wanted, what) => check(JSON.stringify(got) === JSON.stringify(wanted), `${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);

// A page that tells what goes wrong in it; a question about marks before there are any is told as 409, and is no fault.
async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on('pageerror', (e) => faults.push(`script: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/409/.test(m.text())) faults.push(`console: ${m.text()}`); });
  page.on('request', (r) => { if (!/^(blob|data):/.test(r.url()) && new URL(r.url()).origin !== new URL(address).origin) faults.push(`asks elsewhere: ${r.url()}`); });
  await page.goto(address);
  await page.waitForSelector('#grid li');
  return page;
}

const keys = (page) => page.$$eval('#grid li', (all) => all.map((li) => li.dataset.key));
const scores = (page) => page.$$eval('#grid .score', (all) => all.map((s) => Number(s.textContent)));
// Waits until the answers are those of the question that `act` leads to.
async function asking(page, act) {
  const answered = page.waitForResponse((r) => new URL(r.url()).pathname === '/search' && r.request().method() === 'POST');
  await act();
  const answer = await answered;
  await page.waitForFunction((n) => document.querySelectorAll('#grid li').length >= n, (await answer.json()).features.length);
  return answer;
}
const settle = async (page) => {
  await page.waitForLoadState('networkidle');
  await page.waitForFunction(() => [...document.querySelectorAll('#grid img')].slice(0, 9).every((i) => i.complete));
};

// Mean grey of 24 x 16 cells, by the browser itself.
const greys = (page, jpeg) => page.evaluate(async (address) => {
  const image = await createImageBitmap(await (await fetch(address)).blob());
  const canvas = new OffscreenCanvas(24, 16), context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, 24, 16);
  const { data } = context.getImageData(0, 0, 24, 16);
  return Array.from({ length: 384 }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
}, `data:image/jpeg;base64,${jpeg.toString('base64')}`);

async function looksAs(page, name) {
  await settle(page);
  const file = join(shots, `${name}.jpg`), kept = join(SHOTS, `${name}.jpg`);
  await page.screenshot({ path: file, type: 'jpeg', quality: 50 });
  if (process.env.AKIN_SHOTS === 'new') copyFileSync(file, kept);
  if (!existsSync(kept)) { faults.push(`${kept} is missing: AKIN_SHOTS=new makes it`); return; }
  const judge = await browser.newPage(); // about:blank: the page's own policy allows no data: to be fetched
  const [is, was] = [await greys(judge, readFileSync(file)), await greys(judge, readFileSync(kept))];
  await judge.close();
  const difference = is.reduce((sum, v, i) => sum + Math.abs(v - was[i]), 0) / is.length;
  check(difference < DIFFERENCE_MAX, `${file} differs from ${kept} by ${difference.toFixed(1)} of 255 on average`);
}

const cases = {
  async a_click_on_an_answer_asks_for_more_like_it() {
    const page = await open(placed), first = (await keys(page))[0];
    await asking(page, () => page.click('#grid li .ask'));
    const found = await keys(page), score = await scores(page);
    check(!found.includes(first), 'the example is among its answers');
    check(score.length > 5 && score.every((s, i) => !i || s <= score[i - 1]), `scores do not fall: ${score.slice(0, 9)}`);
    equal(await page.locator('#examples li').count(), 1, 'examples');
    await looksAs(page, 'desk');
  },
  async a_click_on_the_map_asks_with_the_tile_there() {
    const page = await open(placed), map = await page.locator('#map').boundingBox();
    await settle(page);
    await asking(page, () => page.mouse.click(map.x + map.width / 2 + 31, map.y + map.height / 2 + 17));
    check(await page.locator('#examples img').count() === 1, 'the example has no picture');
    check((await scores(page)).length > 0, 'no answers');
  },
  async a_box_on_the_map_makes_its_tiles_examples() {
    const page = await open(placed), map = await page.locator('#map').boundingBox();
    await settle(page);
    const [x, y] = [map.x + map.width / 2, map.y + map.height / 2];
    await page.click('#box-tool');
    await page.mouse.move(x - 40, y - 40);
    await page.mouse.down();
    await page.mouse.move(x + 40, y + 40, { steps: 5 });
    await asking(page, () => page.mouse.up());
    check(/box of \d/.test(await page.textContent('#examples')), 'no box among the examples');
    equal(await page.getAttribute('#box-tool', 'aria-pressed'), 'false', 'the tool after the box');
  },
  async a_picture_is_a_question() {
    const page = await open(placed), tile = (await keys(page))[0];
    const picture = await (await page.request.get(new URL(`/chips/${tile}`, page.url()).href)).body();
    await asking(page, () => page.setInputFiles('#file', { name: 'tile.jpg', mimeType: 'image/jpeg', buffer: picture }));
    equal((await keys(page))[0], tile, "the best answer to a tile's own picture");
    equal(await page.locator('#examples img[src^="data:image/jpeg"]').count(), 1, 'pictures shown');
  },
  async marks_turn_into_counter_examples_and_go() {
    const page = await open(placed);
    await asking(page, () => page.click('#grid li .ask'));
    const before = await keys(page);
    await asking(page, () => page.locator('#grid li').nth(3).locator('.signs button').nth(1).click());
    equal(await page.locator('#examples li.unlike').count(), 1, 'unlikes');
    check(JSON.stringify(await keys(page)) !== JSON.stringify(before), 'an unlike changes nothing');
    await asking(page, () => page.locator('#examples li.unlike button').nth(1).click());
    equal(await keys(page), before, 'answers after the unlike was removed');
  },
  async filters_leave_out() {
    const page = await open(placed);
    await asking(page, () => page.click('#grid li .ask'));
    const times = () => page.$$eval('#grid .facts span:last-child', (all) => all.map((s) => s.textContent));
    check(new Set(await times()).size > 1, 'the answers are of one date only');
    await page.click('#filters summary');
    await asking(page, () => page.fill('#to', '2004-02-01'));
    equal([...new Set(await times())], ['2004-01'], 'dates');
    const bottom = Math.min(...await scores(page));
    await page.fill('#threshold', (((await scores(page))[0] + bottom) / 2).toFixed(2));
    await asking(page, () => page.dispatchEvent('#threshold', 'change'));
    check(Math.min(...await scores(page)) > bottom, 'the threshold leaves nothing out');
    check((await page.textContent('#filters summary')).includes('(2)'), 'the filters are not counted');
  },
  async a_link_restores_the_question() {
    const page = await open(placed);
    await asking(page, () => page.setInputFiles('#file', picture));
    await asking(page, () => page.locator('#grid li').nth(1).locator('.signs button').nth(1).click());
    const wanted = await keys(page), other = await open(page.url());
    await other.waitForFunction((n) => document.querySelectorAll('#examples li').length === n, 2);
    await other.waitForSelector('#grid .score');
    equal((await keys(other)).slice(0, 20), wanted.slice(0, 20), 'answers of the link');
    const hostile = await open(`${placed}#${encodeURIComponent('{"examples":[{"sign":1,"tile":"<img>"},7,null],"threshold":{},"view":[1]}')}`);
    equal(await hostile.locator('#examples li').count(), 0, 'examples of a link that makes no sense');
  },
  async label_mode_by_keys() {
    const page = await open(placed);
    await asking(page, () => page.click('#grid li .ask'));
    await page.keyboard.press('l');
    await page.waitForSelector('#label[open]');
    await page.fill('#set', 'by-keys');
    await page.focus('#card');
    await page.waitForSelector('#card-picture', { state: 'visible' });
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowDown', 'ArrowLeft', 'Backspace']) {
      const done = page.waitForResponse((r) => r.url().includes('/marks/by-keys/') && r.request().method() !== 'GET');
      await page.keyboard.press(key);
      await done;
    }
    await page.waitForFunction(() => document.getElementById('label-text').textContent.startsWith('2 yes, 1 no, 1 unsure'));
    const sets = (await (await page.request.get(new URL('/marks', page.url()).href)).json()).sets;
    equal(sets.find((s) => s.set === 'by-keys')?.counts, { like: 2, unlike: 1, unsure: 1 }, 'marks that the server has');
    await looksAs(page, 'label');
  },
  async label_mode_by_swipes() {
    const page = await open(placed, { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
    await asking(page, () => page.click('#grid li .ask'));
    await page.click('#open-label');
    await page.fill('#set', 'by-swipes');
    await page.focus('#card');
    await page.waitForSelector('#card-picture', { state: 'visible' });
    const card = await page.locator('#card').boundingBox(), [x, y] = [card.x + card.width / 2, card.y + card.height / 2];
    const done = page.waitForResponse((r) => r.url().includes('/marks/by-swipes/') && r.request().method() === 'PUT');
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 120, y, { steps: 4 });
    await page.mouse.up();
    equal(JSON.parse((await done).request().postData()).mark, 'like', 'a swipe to the right');
  },
  async a_phone_shows_one_view_at_a_time() {
    const page = await open(placed, { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, colorScheme: 'dark' });
    check(await page.isVisible('#grid') && !await page.isVisible('#map'), 'answers come first');
    await looksAs(page, 'phone');
    await page.click('#tabs [data-view=places]');
    check(!await page.isVisible('#grid') && await page.isVisible('#map'), 'the map is not shown');
    equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, 'width of the page');
  },
  async the_keyboard_is_enough() {
    const page = await open(placed);
    await page.focus('#grid li .ask');
    await page.keyboard.press('ArrowRight');
    const second = await page.evaluate(() => document.activeElement.closest('li').dataset.key);
    equal(second, (await keys(page))[1], 'the answer that an arrow leads to');
    await asking(page, () => page.keyboard.press('Enter'));
    equal(await page.locator('#examples li').count(), 1, 'examples');
    await page.focus('#grid li .ask');
    await asking(page, () => page.keyboard.press('-'));
    equal(await page.locator('#examples li.unlike').count(), 1, 'unlikes');
    const unnamed = await page.$$eval('button, input, select, a', (all) => all.filter((e) => e.offsetParent && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length || e.title)).map((e) => e.outerHTML));
    equal(unnamed, [], 'controls that a screen reader has no name for');
  },
  async the_poles_have_maps() {
    const page = await open(placed);
    for (const [code, sign] of [['EPSG:3413', 'Arctic'], ['EPSG:3031', 'Antarctic']]) {
      const tile = page.waitForResponse((r) => /\/scenes\/\d+\/\d+\/\d+\/\d+\.png/.test(r.url()) && r.ok());
      await page.selectOption('#projection', code);
      check(await tile, `no imagery in the ${sign}`);
    }
  },
  async answers_can_be_saved() {
    const page = await open(placed);
    await asking(page, () => page.click('#grid li .ask'));
    await page.click('#downloads summary');
    const saved = async (button) => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
      return readFileSync(await file.path(), 'utf8');
    };
    const features = JSON.parse(await saved('#get-geojson')).features, rows = (await saved('#get-csv')).trim().split('\r\n');
    check(features.length > 20 && features[0].geometry && features[0].id === (await keys(page))[0], 'the GeoJSON is not the answers');
    equal(rows.length, features.length + 1, 'rows of the CSV');
  },
  async without_places_there_is_no_map() {
    const page = await open(unplaced);
    check(!await page.isVisible('#places') && !await page.isVisible('#tabs'), 'a map of no places');
    await asking(page, () => page.click('#grid li .ask'));
    check((await scores(page)).length > 3, 'no answers');
    await looksAs(page, 'no-places');
  },
};

for (const [name, run] of Object.entries(cases)) {
  if (process.env.ONLY && !name.includes(process.env.ONLY)) continue;
  faults = [];
  await run().catch((e) => faults.push(e.message.split('\n').slice(0, 6).join(' ')));
  for (const fault of faults) console.log(`# ${fault}`);
  console.log(faults.length ? `not ok ${name}` : `ok ${name}`);
  failed += faults.length > 0;
  for (const context of browser.contexts()) await context.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
