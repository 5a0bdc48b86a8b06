/* The map of footprints, its filters, the list, and the details of one item.
 * Texts of items reach the page as text nodes only; hrefs were checked when the page was written. */
(() => {
  "use strict";

  const DAY = 86400; // seconds
  const LISTED = 50; // items of the list to add at a time
  const NEAR = 6; // pixels around a click, and the size below which a footprint is drawn as a dot
  const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45]; // degrees of the grid

  const element = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(element(id).textContent);
  const count = (number) => number.toLocaleString("en");
  const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  function node(tag, text, name) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  }

  // ---- items -----------------------------------------------------------------------------------

  const facts = read("facts");
  const collections = facts.collections.map(([id, title, colour]) => ({ id, title, colour, drawn: 0 }));
  const other = { id: null, title: "Other", colour: facts.other, drawn: 0 };

  const items = read("rows").map((row, index) => {
    const [kind, shapes, collection, first, last, cloud, id, title, values, data, links] = row;
    const group = typeof collection === "number" ? collections[collection] : other;
    group.drawn += 1;
    const name = group === other ? collection : group.title;
    const item = { index, kind, shapes, group, name, first, last, cloud, id, title, values, data, links };
    item.box = box(item);
    return item;
  });
  if (other.drawn) collections.push(other);

  function positions(item) {
    return item.kind === 0 ? item.shapes : item.kind === 1 ? item.shapes.flat() : item.shapes.flat(2);
  }

  function box(item) {
    const found = { west: 180, south: 90, east: -180, north: -90 };
    for (const [x, y] of positions(item)) {
      found.west = Math.min(found.west, x);
      found.east = Math.max(found.east, x);
      found.south = Math.min(found.south, y);
      found.north = Math.max(found.north, y);
    }
    return found;
  }

  const day = (second) => new Date(second * 1000).toISOString().slice(0, 10);
  const label = (item) => item.title || item.id || "(no id)";

  // ---- map -------------------------------------------------------------------------------------

  const map = L.map("map", {
    attributionControl: false,
    maxBounds: [[-85.06, -200], [85.06, 200]],
    maxBoundsViscosity: 0.8,
    minZoom: 1,
    maxZoom: 17,
    zoomSnap: 0.25,
    wheelPxPerZoomLevel: 90,
    zoomControl: false,
  });
  L.control.zoom({ position: "topleft" }).addTo(map);
  L.control.scale({ position: "bottomleft" }).addTo(map);
  L.control.attribution({ prefix: false }).addAttribution("Leaflet | Natural Earth").addTo(map);
  map.createPane("ground").style.zIndex = 300;
  const ground = L.canvas({ pane: "ground", padding: 0.5 });
  const above = L.canvas({ padding: 0.5 });

  const lines = L.layerGroup().addTo(map);
  const land = L.geoJSON(read("land"), { interactive: false, renderer: ground, weight: 0.8 });

  // At world zoom, a scene of 30 km is smaller than a pixel: small footprints are drawn as dots.
  const Polygon = L.Polygon.extend({
    _empty() {
      return !this._parts.length;
    },
    _updatePath() {
      const size = this._rawPxBounds && this._rawPxBounds.getSize();
      if (!size || size.x > NEAR || size.y > NEAR) return L.Polygon.prototype._updatePath.call(this);
      this._point = this._rawPxBounds.getCenter();
      this._radius = NEAR / 2;
      this._renderer._updateCircle(this);
    },
  });

  const swapped = (nested) =>
    typeof nested[0] === "number" ? [nested[1], nested[0]] : nested.map(swapped);

  function layer(item) {
    const style = {
      color: item.group.colour,
      fillColor: item.group.colour,
      fillOpacity: 0.22,
      interactive: false,
      opacity: 0.9,
      renderer: above,
      weight: 1.5,
    };
    const places = swapped(item.shapes);
    if (item.kind === 2) return new Polygon(places, style);
    if (item.kind === 1) return L.polyline(places, { ...style, fill: false, weight: 2.5 });
    return L.featureGroup(places.map((place) => L.circleMarker(place, { ...style, radius: 5 })));
  }

  for (const item of items) item.layer = layer(item);

  function bounds(chosen) {
    const all = L.latLngBounds([]);
    for (const { box: { west, south, east, north } } of chosen) {
      all.extend([south, west]);
      all.extend([north, east]);
    }
    return all;
  }

  function zoomTo(chosen) {
    const all = bounds(chosen);
    const covered = element("details").hidden || map.getSize().x < 700 ? 0 : 320;
    if (!all.isValid()) map.setView([20, 0], 1.5, { animate: false });
    else {
      map.fitBounds(all, {
        animate: false,
        maxZoom: 11,
        paddingBottomRight: [30 + covered, 30],
        paddingTopLeft: [30, 30],
      });
    }
  }

  function paint() {
    land.setStyle({ color: css("--coast"), fillColor: css("--land"), fillOpacity: 1, opacity: 1 });
    grid();
    mark(selected);
  }

  function degrees(value, [positive, negative], step) {
    const decimals = step < 1 ? 2 : 0;
    const side = value > 0 ? positive : negative;
    if (value === 0 || Math.abs(value) === 180) return `${Math.abs(value)}°`;
    return `${Math.abs(value).toFixed(decimals)}°${side}`;
  }

  function grid() {
    lines.clearLayers();
    const view = map.getBounds();
    const span = Math.min(view.getEast() - view.getWest(), 360);
    const step = STEPS.find((candidate) => span / candidate <= 8) || 45;
    const style = { color: css("--grid"), interactive: false, renderer: ground, weight: 1 };
    const written = (text, place, name) =>
      L.marker(place, {
        icon: L.divIcon({ className: name, html: node("span", text), iconSize: null }),
        interactive: false,
        keyboard: false,
      }).addTo(lines);
    const drawn = view.pad(0.5);
    const multiples = (from, to, edge) => {
      const found = [];
      const last = Math.floor(Math.min(to, edge) / step);
      for (let n = Math.ceil(Math.max(from, -edge) / step); n <= last; n += 1) found.push(n * step);
      return found;
    };
    for (const x of multiples(drawn.getWest(), drawn.getEast(), 180)) {
      L.polyline([[-85, x], [85, x]], style).addTo(lines);
      if (x > view.getWest() && x < view.getEast()) {
        written(degrees(x, "EW", step), [view.getNorth(), x], "meridian");
      }
    }
    for (const y of multiples(drawn.getSouth(), drawn.getNorth(), 84.9)) {
      L.polyline([[y, -180], [y, 180]], style).addTo(lines);
      if (y > view.getSouth() && y < view.getNorth()) {
        written(degrees(y, "NS", step), [y, view.getEast()], "parallel");
      }
    }
  }

  // ---- filters ---------------------------------------------------------------------------------

  let shown = [];
  let listed = [];

  function wanted() {
    const limit = (id, more) => {
      const time = Date.parse(`${element(id).value}T00:00:00Z`);
      return Number.isNaN(time) ? null : time / 1000 + more;
    };
    const from = limit("from", 0);
    const to = limit("to", DAY);
    const cloud = Number(element("cloud").value);
    const unknown = element("unknown").checked;
    return (item) =>
      item.group.toggle.checked &&
      (cloud === 100 || (item.cloud === null ? unknown : item.cloud <= cloud)) &&
      (from === null || (item.last !== null && item.last >= from)) &&
      (to === null || (item.first !== null && item.first < to));
  }

  function filter() {
    const keep = wanted();
    shown = [];
    for (const item of items) {
      const visible = keep(item);
      if (visible) shown.push(item);
      if (visible !== map.hasLayer(item.layer)) {
        if (visible) item.layer.addTo(map);
        else item.layer.remove();
      }
    }
    element("shown").textContent = count(shown.length);
    element("cloud-value").textContent = `${element("cloud").value} %`;
    if (selected && !shown.includes(selected)) close();
    listed = shown.slice().sort((a, b) => (b.first ?? -Infinity) - (a.first ?? -Infinity) || 0);
    element("list").replaceChildren();
    more();
  }

  function more() {
    const list = element("list");
    const start = list.children.length;
    for (const item of listed.slice(start, start + LISTED)) {
      const button = node("button");
      button.type = "button";
      button.dataset.index = item.index;
      button.append(swatch(item.group), node("span", label(item), "name"));
      const cloud = item.cloud === null ? "" : ` · ${Math.round(item.cloud)} % cloud`;
      const when = item.first === null ? "no date" : day(item.first);
      button.append(node("span", when + cloud, "when"));
      const entry = node("li");
      entry.append(button);
      list.append(entry);
    }
    element("more").hidden = list.children.length >= listed.length;
  }

  function swatch(group) {
    const made = node("span", undefined, "swatch");
    made.style.backgroundColor = group.colour;
    return made;
  }

  for (const group of collections) {
    const line = node("label");
    group.toggle = node("input");
    group.toggle.type = "checkbox";
    group.toggle.checked = group.toggle.defaultChecked = true;
    if (group.id !== null) group.toggle.dataset.collection = group.id;
    line.append(group.toggle, swatch(group), node("span", group.title, "name"), node("span", count(group.drawn), "count"));
    element("legend").append(line);
  }

  function tick(checked) {
    for (const group of collections) group.toggle.checked = checked;
    filter();
  }

  // ---- details ---------------------------------------------------------------------------------

  let selected = null;
  let stack = []; // the footprints under the last click, smallest first
  let opener = null;

  function mark(item) {
    if (!item) return;
    item.layer.setStyle({ color: css("--text"), fillOpacity: 0.45, weight: 3 });
    item.layer.bringToFront();
  }

  function unmark(item) {
    if (item) item.layer.setStyle({ color: item.group.colour, fillOpacity: 0.22, weight: item.kind === 1 ? 2.5 : 1.5 });
  }

  function select(item, found) {
    unmark(selected);
    selected = item;
    stack = found || [item];
    mark(item);
    element("details-title").textContent = label(item);
    const place = stack.indexOf(item);
    element("stack").hidden = stack.length < 2;
    element("place").textContent = `${place + 1} of ${count(stack.length)} here`;
    const lines_ = [["Id", item.id], ["Collection", item.name]];
    facts.fields.forEach(([name, unit], at) => {
      const value = item.values[at];
      if (value !== null) lines_.push([name, typeof value === "number" ? value + unit : value]);
    });
    lines_.push(["Data assets", item.data]);
    const list = element("properties");
    list.replaceChildren();
    for (const [name, value] of lines_) {
      if (value !== null) list.append(node("dt", name), node("dd", value));
    }
    element("links").replaceChildren(...item.links.map(link));
    element("details").hidden = false;
    element("details").scrollTop = 0;
  }

  function link([name, href, text]) {
    const entry = node("li");
    if (href === null) {
      entry.append(node("span", `${name}: `), node("code", text));
      return entry;
    }
    const anchor = node("a", name);
    anchor.href = href;
    anchor.rel = "noopener noreferrer";
    anchor.target = "_blank";
    anchor.title = text;
    entry.append(anchor);
    return entry;
  }

  function close() {
    unmark(selected);
    selected = null;
    element("details").hidden = true;
    if (opener && opener.isConnected) opener.focus();
    opener = null;
  }

  function turn(step) {
    select(stack[(stack.indexOf(selected) + step + stack.length) % stack.length], stack);
  }

  function inside(rings, { lng, lat }) {
    let within = false;
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
        const [ax, ay] = ring[i];
        const [bx, by] = ring[j];
        if (ay > lat !== by > lat && lng < ((bx - ax) * (lat - ay)) / (by - ay) + ax) within = !within;
      }
    }
    return within;
  }

  function hits(point) {
    const at = map.containerPointToLatLng(point);
    const low = map.containerPointToLatLng(point.add([-NEAR, NEAR]));
    const high = map.containerPointToLatLng(point.add([NEAR, -NEAR]));
    const size = ({ box: { west, south, east, north } }) => (east - west) * (north - south);
    return shown
      .filter(({ box: { west, south, east, north }, kind, shapes }) => {
        if (west > high.lng || east < low.lng || south > high.lat || north < low.lat) return false;
        const small = east - west < high.lng - low.lng && north - south < high.lat - low.lat;
        return kind < 2 || small || shapes.some((rings) => inside(rings, at));
      })
      .sort((a, b) => size(a) - size(b));
  }

  // ---- events ----------------------------------------------------------------------------------

  map.on("click", ({ containerPoint }) => {
    const found = hits(containerPoint);
    if (!found.length) return close();
    opener = null;
    select(found[0], found);
  });
  map.on("mousemove", ({ containerPoint, latlng }) => {
    map.getContainer().classList.toggle("over", hits(containerPoint).length > 0);
    const text = `${degrees(latlng.lat, "NS", 0)} ${degrees(latlng.lng, "EW", 0)}`;
    element("position").textContent = text;
  });
  map.on("mouseout", () => { element("position").textContent = ""; });
  map.on("moveend resize", grid);

  let due = 0;
  const soon = () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(filter);
  };
  element("filters").addEventListener("input", soon);
  element("filters").addEventListener("submit", (event) => event.preventDefault());
  element("filters").addEventListener("reset", soon); // after the form has its first values again
  element("all").addEventListener("click", () => tick(true));
  element("none").addEventListener("click", () => tick(false));
  element("fit").addEventListener("click", () => zoomTo(shown));
  element("zoom").addEventListener("click", () => zoomTo([selected]));
  element("more").addEventListener("click", more);
  element("close").addEventListener("click", close);
  element("previous").addEventListener("click", () => turn(-1));
  element("next").addEventListener("click", () => turn(1));
  element("list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    opener = button;
    const item = items[button.dataset.index];
    select(item);
    if (!map.getBounds().contains(bounds([item]))) zoomTo([item]);
    element("details-title").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && selected) close();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  // ---- first view ------------------------------------------------------------------------------

  const note = read("left-out");
  element("note").textContent = note;
  element("note").hidden = !note;
  element("drawn").textContent = count(items.length);
  const unclouded = items.some((item) => item.cloud === null) && items.some((item) => item.cloud !== null);
  element("unknown-row").hidden = !unclouded;
  zoomTo(items);
  land.addTo(map);
  paint();
  filter();
  window.preview = { hits, items, map, select };
  document.body.dataset.ready = "1";
})();
