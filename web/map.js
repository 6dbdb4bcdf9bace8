// The map: the collection's own imagery of one date, the answers' footprints, places and boxes as questions. The
// imagery comes from the server as longitude/latitude squares; OpenLayers turns them for the poles.
// SPDX-License-Identifier: Apache-2.0
import { mapTile } from './api.js';

const TILE_PX = 256;
const LEVELS = 12;
const LAYERS_MAX = 40; // scenes drawn at once
const POLES = {
  'EPSG:3413': '+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs',
  'EPSG:3031': '+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs',
};
const POLAR_EXTENT = [-4194304, -4194304, 4194304, 4194304];

// From dark violet over green to yellow; t in 0..1.
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
export function scoreColour(t, alpha = 1) {
  const x = Math.min(Math.max(t, 0), 1) * (RAMP.length - 1), i = Math.min(Math.floor(x), RAMP.length - 2);
  const c = RAMP[i].map((a, j) => Math.round(a + (RAMP[i + 1][j] - a) * (x - i)));
  return `rgba(${c[0]},${c[1]},${c[2]},${alpha})`;
}

export class PlaceMap {
  // on: {point(lon, lat), box([w, s, e, n]), hover(key | null), moved([w, s, e, n])}
  constructor(element, on) {
    this.on = on;
    this.collection = '';
    this.scenes = [];
    for (const [code, definition] of Object.entries(POLES)) window.proj4.defs(code, definition);
    ol.proj.proj4.register(window.proj4);
    for (const code of Object.keys(POLES)) {
      ol.proj.get(code).setExtent(POLAR_EXTENT);
      ol.proj.get(code).setWorldExtent(code === 'EPSG:3413' ? [-180, 45, 180, 90] : [-180, -90, 180, -45]);
    }
    this.imagery = new ol.layer.Group();
    this.source = new ol.source.Vector({ wrapX: true });
    this.pointed = null;
    this.footprints = new ol.layer.Vector({ source: this.source, style: (f) => this.#style(f) });
    this.map = new ol.Map({
      target: element,
      layers: [this.imagery, this.footprints],
      controls: ol.control.defaults.defaults({ attribution: false, rotate: false }),
    });
    this.setProjection('EPSG:4326');
    this.map.on('singleclick', (e) => {
      const [lon, lat] = this.#toLonLat(e.coordinate);
      this.on.point(lon, lat);
    });
    this.map.on('pointermove', (e) => {
      if (e.dragging) return;
      const hit = this.map.forEachFeatureAtPixel(e.pixel, (f) => f);
      this.on.hover(hit ? hit.getId() : null);
    });
    this.map.on('moveend', () => this.on.moved(this.view()));
    this.#boxes();
  }

  #toLonLat(coordinate) {
    const [lon, lat] = ol.proj.transform(coordinate, this.projection, 'EPSG:4326');
    return [Number((((lon + 540) % 360) - 180).toFixed(5)), Number(Math.min(Math.max(lat, -90), 90).toFixed(5))];
  }

  #style(feature) {
    const t = feature.get('shade'), chosen = feature.getId() === this.pointed;
    return new ol.style.Style({
      stroke: new ol.style.Stroke({ color: chosen ? '#ff4d2e' : scoreColour(t), width: chosen ? 3 : 1.5 }),
      fill: new ol.style.Fill({ color: scoreColour(t, chosen ? 0.5 : 0.22) }),
      zIndex: chosen ? 2 : 1,
    });
  }

  // Boxes: with Shift, or after boxMode(true) by dragging or a finger.
  #boxes() {
    const drawn = (extent) => {
      this.boxMode(false);
      this.on.box(this.#bounds(extent));
    };
    const shift = new ol.interaction.DragBox({ condition: ol.events.condition.shiftKeyOnly });
    shift.on('boxend', () => drawn(shift.getGeometry().getExtent()));
    this.map.getInteractions().forEach((i) => { if (i instanceof ol.interaction.DragZoom) this.map.removeInteraction(i); });
    this.map.addInteraction(shift);
    this.box = new ol.interaction.DragBox({ condition: ol.events.condition.always });
    this.box.on('boxend', () => drawn(this.box.getGeometry().getExtent()));
    this.box.setActive(false);
    this.map.addInteraction(this.box);
  }

  boxMode(active) {
    this.box.setActive(active);
    this.onBoxMode?.(active);
  }

  // A map extent as west, south, east, north; an extent of a polar map reaches all round where it holds the pole.
  #bounds(extent) {
    if (this.projection === 'EPSG:4326') {
      const wrap = (x) => ((x + 540) % 360) - 180, wide = extent[2] - extent[0] >= 360;
      const lat = (y) => Math.min(Math.max(y, -90), 90);
      return [wide ? -180 : wrap(extent[0]), lat(extent[1]), wide ? 180 : wrap(extent[2]) || 180, lat(extent[3])];
    }
    const north = this.projection === 'EPSG:3413', holdsPole = ol.extent.containsXY(extent, 0, 0);
    const corners = [[0, 1], [2, 1], [2, 3], [0, 3]].map(([i, j]) => this.#toLonLat([extent[i], extent[j]]));
    const lats = corners.map((c) => c[1]), lons = corners.map((c) => c[0]);
    if (holdsPole) return north ? [-180, Math.min(...lats), 180, 90] : [-180, -90, 180, Math.max(...lats)];
    return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
  }

  view() { return this.#bounds(this.map.getView().calculateExtent(this.map.getSize())); }

  setProjection(code) {
    const polar = code !== 'EPSG:4326';
    this.projection = code;
    this.map.setView(new ol.View(polar
      ? { projection: code, center: [0, 0], zoom: 1, extent: POLAR_EXTENT, showFullExtent: true }
      : { projection: code, center: [0, 0], zoom: 1, minZoom: 0, multiWorld: true }));
    this.#drawScenes();
    this.show(this.answers ?? []);
  }

  // The imagery: these scenes, newest on top.
  setScenes(collection, scenes) {
    this.collection = collection;
    this.scenes = scenes.slice(0, LAYERS_MAX);
    this.#drawScenes();
  }

  #drawScenes() {
    const grid = new ol.tilegrid.TileGrid({
      extent: [-180, -90, 180, 90], tileSize: TILE_PX,
      resolutions: Array.from({ length: LEVELS }, (_, z) => 180 / TILE_PX / 2 ** z),
    });
    const { collection } = this;
    const layers = this.scenes.map((scene) => new ol.layer.Tile({
      source: new ol.source.TileImage({
        projection: 'EPSG:4326', tileGrid: grid, wrapX: true,
        tileUrlFunction: ([z, x, y]) => mapTile(collection, scene.id, z, x, y),
      }),
    }));
    this.imagery.setLayers(new ol.Collection(layers));
  }

  fitScenes() {
    const boxes = this.scenes.map((s) => s.bbox).filter(Boolean);
    if (!boxes.length || this.projection !== 'EPSG:4326') return;
    const extent = ol.extent.createEmpty();
    boxes.forEach(([w, s, e, n]) => ol.extent.extend(extent, [w, s, e < w ? e + 360 : e, n]));
    this.map.getView().fit(extent, { maxZoom: 8, padding: [10, 10, 10, 10] });
  }

  // Footprints of answers, coloured by their rank's score.
  show(answers) {
    this.answers = answers;
    const placed = answers.filter((a) => a.geometry), scores = placed.map((a) => a.properties.score ?? 0);
    const low = Math.min(...scores), high = Math.max(...scores), format = new ol.format.GeoJSON();
    this.source.clear(true);
    this.source.addFeatures(placed.map((a) => {
      const feature = new ol.Feature(format.readGeometry(a.geometry, { featureProjection: this.projection }));
      feature.setId(a.id);
      feature.set('shade', high > low ? ((a.properties.score ?? 0) - low) / (high - low) : 0.5, true);
      return feature;
    }));
  }

  point(key) {
    if (key === this.pointed) return;
    this.pointed = key;
    this.footprints.changed();
  }
}
