/* The map of footprints, its filters, the list, and the details of one item.
 * Texts of items reach the page as text nodes only; hrefs were checked when the page was written:
 * a string is safe to follow, an array holds one that is only shown. */
(() => {
  "use strict";

  const DAY = 86400; // seconds
  const LISTED = 50; // items of the list to add at a time
  const NEAR = 6; // pixels around a click, and the size below which a footprint is drawn as a dot
  const POINT = 5; // pixels; radius of a point
  const AXIS = [350, 2550]; // nanometres: visible light to short-wave infrared
  const REGIONS = [["visible", 380, 750], ["near infrared", 750, 1400], ["short-wave infrared", 1400, 2550]];
  const TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500]; // nanometres between the ticks of an axis
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

  const SVG = "http://www.w3.org/2000/svg";

  function draw(parent, tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }

  // ---- items -----------------------------------------------------------------------------------

  const facts = read("facts");
  const collections = facts.collections.map(([id, title, colour]) => ({ id, title, colour, drawn: 0 }));
  const other = { id: null, title: "Other", colour: facts.other, drawn: 0 };

  const items = read("rows").map((row, index) => {
    const [kind, shapes, collection, first, last, cloud, id, title, values, data, file, ...more] = row;
    const [imageLabel, image, bandSet] = more;
    const whole = (href) => (typeof href === "string" ? href.replaceAll(" ", id) : href);
    const group = typeof collection === "number" ? collections[collection] : other;
    group.drawn += 1;
    const name = group === other ? collection : group.title;
    const key = [group === other ? collection : group.id, id].map((part) => encodeURIComponent(part ?? "")).join("/");
    const item = { index, key, kind, shapes, group, name, first, last, cloud, id, title, values, data };
    Object.assign(item, { file: whole(file), image: whole(image), imageLabel, bandSet, collection: group === other ? collection : group.id });
    item.box = box(item);
    item.text = `${id ?? ""}\n${title ?? ""}`.toLowerCase();
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
    return L.featureGroup(places.map((place) => L.circleMarker(place, { ...style, radius: POINT })));
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
    const covered = element("details").hidden || map.getSize().x < 700 ? 0 : 410;
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
    const text = element("search").value.trim().toLowerCase();
    return (item) =>
      (text === "" || item.text.includes(text)) &&
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
    const list = element("properties");
    list.replaceChildren();
    for (const [name, value] of properties(item)) {
      if (value !== null) list.append(node("dt", name), node("dd", value));
    }
    showImage(item);
    showBands(item);
    const links = [["Item JSON", item.file], [facts.images[item.imageLabel], item.image]];
    const permalink = link(["Link to this item", `#${item.key}`]);
    permalink.firstChild.target = "_self";
    element("links").replaceChildren(...links.filter((each) => each[1]).map(link), permalink);
    showCode(item);
    showAssets(item);
    element("missing").hidden = true;
    element("details").hidden = false;
    element("details").scrollTop = 0;
    remember(`#${item.key}`);
  }

  function properties(item) {
    const time = (second) => new Date(second * 1000).toISOString().replace(".000", "");
    const found = [["Id", item.id], ["Collection", item.name]];
    if (item.first !== null && item.first === item.last) found.push(["Acquired", time(item.first)]);
    else if (item.first !== null) found.push(["Start", time(item.first)], ["End", time(item.last)]);
    found.push(["Cloud cover", item.cloud === null ? null : `${item.cloud} %`]);
    facts.fields.forEach(([name, unit], at) => {
      const value = item.values[at];
      found.push([name, typeof value === "number" ? value + unit : value]);
    });
    return [...found, ["Data assets", item.data]];
  }

  function link([name, href]) {
    const entry = node("li");
    if (typeof href !== "string") {
      entry.append(node("span", `${name}: `), node("code", href[0]));
      return entry;
    }
    const anchor = node("a", name);
    anchor.href = href;
    anchor.rel = "noopener noreferrer";
    anchor.target = "_blank";
    anchor.title = href;
    entry.append(anchor);
    return entry;
  }

  /* The image is loaded only now, from where the item says; without a network there is none. */
  function showImage({ image, imageLabel }) {
    const shownImage = element("image");
    shownImage.hidden = true;
    shownImage.removeAttribute("src");
    if (typeof image !== "string") return;
    shownImage.alt = facts.images[imageLabel];
    shownImage.src = image;
  }

  // ---- code and assets -------------------------------------------------------------------------

  /* Where a file of the export is: a path if the page was opened from a disk, else its URL. */
  function locate(href) {
    const url = new URL(href, location.href);
    if (url.protocol !== "file:") return url.href;
    return decodeURIComponent(url.pathname).replace(/^\/([A-Za-z]:)/, "$1");
  }

  const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

  function showCode(item) {
    const lines_ = [];
    if (typeof item.file === "string") {
      lines_.push(["pystac", `pystac.Item.from_file(${JSON.stringify(locate(item.file))})`]);
    }
    const dataset = facts.datasets[item.collection ?? ""];
    const isDivided = Boolean(dataset) && dataset.endsWith("/"); // over HTTP, no folder can be listed
    if (dataset && item.id !== null && !(isDivided && location.protocol !== "file:")) {
      const place = locate(`./${dataset.split("/").map(encodeURIComponent).join("/")}`);
      const table = isDivided
        ? `read_parquet(${quoted(`${place}**/*.parquet`)}, hive_partitioning = true)`
        : quoted(place);
      lines_.push(["DuckDB", `SELECT * FROM ${table} WHERE id = ${quoted(item.id)}`]);
    }
    element("code").replaceChildren();
    for (const [name, text] of lines_) {
      const line = node("dd");
      line.append(node("code", text), copyButton(text, `Copy the ${name} line`));
      element("code").append(node("dt", name), line);
    }
  }

  const summary = read("summary");
  let assetLists = null; // read once an item is selected
  let hrefs = [];

  function showAssets(item) {
    assetLists = assetLists || { kinds: read("kinds"), items: read("asset-lists") };
    const found = assetLists.items[typeof item.file === "string" ? item.file : item.file?.[0]];
    const [prefix, rows_] = found || ["", []];
    const entries = rows_.map((row) => asset(prefix, row));
    hrefs = entries.map((entry) => entry.href);
    element("assets-title").textContent = found ? `Assets (${count(rows_.length)})` : "Assets";
    element("assets-note").hidden = Boolean(found);
    element("assets-note").textContent =
      `This page lists the assets of ${count(summary.listed)} items, the newest. Of this one, see the item's JSON.`;
    element("copy-all").hidden = entries.length < 2;
    element("asset-list").replaceChildren(...entries.map((entry) => entry.line));
  }

  function asset(prefix, [rest, key, title, kind, centre, unsafe]) {
    const line = node("li");
    const text = prefix + rest;
    const href = unsafe ? text : new URL(text, location.href).href;
    const name = title ? `${key}: ${title}` : key;
    const facts_ = [centre ? `${centre / 10} nm` : null, kind == null ? null : assetLists.kinds[kind]];
    const shownHref = unsafe ? node("code", text) : link([text, text]).firstChild;
    const top = node("p");
    top.append(node("span", name, "name"), copyButton(href, `Copy the href of ${key}`));
    line.append(top, node("p", facts_.filter(Boolean).join(" · "), "kind"), shownHref);
    return { line, href };
  }

  function copyButton(text, name) {
    const button = node("button", "Copy", "copy");
    button.type = "button";
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => copy(text, button));
    return button;
  }

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page that was not loaded over HTTPS or from the disk has no clipboard.
      const field = node("textarea", text, "clipboard");
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    const before = button.textContent;
    if (before === "Copied") return;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  }

  // ---- bands -----------------------------------------------------------------------------------

  const bandSets = read("band-sets");

  function showBands({ bandSet }) {
    element("bands").hidden = bandSet === -1;
    element("strips").replaceChildren();
    if (bandSet === -1) return;
    if (bandSet === -2) {
      element("bands-text").textContent = "This page has no room for the bands of this item; see the item's JSON.";
      return;
    }
    const bands = [];
    const flat = bandSets[bandSet];
    for (let at = 0; at < flat.length; at += 2) bands.push({ centre: flat[at] / 10, width: flat[at + 1] / 10 });
    const inside_ = bands.filter(({ centre }) => centre >= AXIS[0] && centre <= AXIS[1]);
    element("bands-text").textContent = describe(bands, bands.length - inside_.length);
    if (!inside_.length) return;
    element("strips").append(strip(inside_, AXIS, true));
    const low = Math.min(...inside_.map(({ centre, width }) => centre - width / 2));
    const high = Math.max(...inside_.map(({ centre, width }) => centre + width / 2));
    const margin = Math.max(5, (high - low) * 0.03);
    const span = [low - margin, high + margin];
    if (bands.length > 1 && span[1] - span[0] < 0.7 * (AXIS[1] - AXIS[0])) {
      element("strips").append(strip(inside_, span, false));
    }
  }

  const nanometres = (value) => `${count(Math.round(value * 10) / 10)} nm`;

  function range(values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low === high ? nanometres(low) : `${count(low)} to ${nanometres(high)}`;
  }

  function describe(bands, outside) {
    const widths = bands.map(({ width }) => width).filter(Boolean);
    const parts = [
      `${count(bands.length)} ${bands.length === 1 ? "band" : "bands"}`,
      `centre ${range(bands.map(({ centre }) => centre))}`,
      widths.length ? `width ${range(widths)}` : "width not stated",
    ];
    if (widths.length && widths.length < bands.length) parts.push(`${count(bands.length - widths.length)} without width`);
    if (outside) parts.push(`${count(outside)} outside of the strip`);
    return parts.join(", ");
  }

  function hue(nanometre) {
    if (nanometre < 380) return "#7a5fc0";
    if (nanometre > 750) return nanometre > 1400 ? "#7d6b5d" : "#8c3b3b";
    const stops = [[380, 280], [440, 255], [490, 190], [510, 140], [580, 58], [645, 5], [750, 0]];
    const at = stops.findIndex(([edge]) => nanometre <= edge);
    const [[low, from], [high, to]] = [stops[Math.max(at - 1, 0)], stops[Math.max(at, 1)]];
    return `hsl(${from + ((to - from) * (nanometre - low)) / (high - low)} 75% 48%)`;
  }

  function strip(bands, [low, high], whole) {
    const wide = 360;
    const tall = 28;
    const x = (nanometre) => ((nanometre - low) / (high - low)) * wide;
    const picture = draw(document.createDocumentFragment(), "svg", {
      class: "strip", role: "img", viewBox: `0 0 ${wide} ${tall + 26}`,
      "aria-label": `Bands from ${nanometres(low)} to ${nanometres(high)}`,
    });
    draw(picture, "rect", { class: "back", x: 0, y: 0, width: wide, height: tall });
    for (const { centre, width } of bands) {
      const bar = draw(picture, "g", { class: "band", "data-centre": centre, "data-width": width });
      const size = Math.max(x(low + width), 1);
      if (width) draw(bar, "rect", { x: x(centre) - size / 2, y: 4, width: size, height: tall - 8, fill: hue(centre), "fill-opacity": 0.55 });
      draw(bar, "line", { x1: x(centre), x2: x(centre), y1: 1, y2: tall - 1, stroke: hue(centre), "stroke-width": 0.8 });
      draw(bar, "title", {}, `${nanometres(centre)}, ${width ? `width ${nanometres(width)}` : "width not stated"}`);
    }
    const step = whole ? 500 : TICKS.find((each) => (high - low) / each <= 7) || 500;
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
      draw(picture, "line", { class: "tick", x1: x(at), x2: x(at), y1: tall, y2: tall + 4 });
      const anchor = x(at) < 14 ? "start" : x(at) > wide - 14 ? "end" : "middle";
      draw(picture, "text", { x: x(at), y: tall + 14, "text-anchor": anchor }, count(at));
    }
    if (whole) {
      for (const [name, from, to] of REGIONS) {
        draw(picture, "line", { class: "tick", x1: x(from), x2: x(from), y1: 0, y2: tall });
        draw(picture, "text", { class: "region", x: x((from + to) / 2), y: tall + 24, "text-anchor": "middle" }, name);
      }
    }
    return picture;
  }

  // ---- the selected item in the address --------------------------------------------------------

  const byKey = new Map(items.map((item) => [item.key, item]));

  function remember(fragment) {
    if (location.hash !== fragment) history.replaceState(null, "", fragment || location.pathname + location.search);
  }

  function reopen() {
    const key = location.hash.slice(1);
    if (!key || (selected && selected.key === key)) return;
    const item = byKey.get(key);
    element("missing").hidden = Boolean(item);
    if (!item) {
      if (selected) close(key);
      element("missing").textContent = "The item of this link is not on this page.";
      return;
    }
    filter(); // a change of the filters may still wait for its frame
    if (!shown.includes(item)) {
      element("filters").reset();
      filter();
    }
    select(item);
    zoomTo([item]);
  }

  function close(fragment = "") {
    unmark(selected);
    selected = null;
    if (!fragment) remember("");
    element("image").removeAttribute("src");
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
    if (!found.length) return selected && close();
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
  element("close").addEventListener("click", () => close());
  element("copy-all").addEventListener("click", () => copy(hrefs.join("\n"), element("copy-all")));
  element("image").addEventListener("load", () => { element("image").hidden = false; });
  element("image").addEventListener("error", () => { element("image").hidden = true; });
  element("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    filter();
    if (!listed.length) return;
    opener = element("search");
    select(listed[0]);
    zoomTo([selected]);
  });
  window.addEventListener("hashchange", reopen);
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

  for (const [text, radius] of [
    [`a footprint smaller than ${NEAR} pixels; zoom in for its shape`, NEAR / 2],
    ["an item whose geometry is a point", POINT],
  ]) {
    const line = node("li");
    const picture = draw(line, "svg", { class: "size", viewBox: "-8 -8 16 16", "aria-hidden": "true" });
    draw(picture, "circle", { r: radius });
    line.append(node("span", text));
    element("sizes").append(line);
  }

  const note = summary.note;
  element("note").textContent = note;
  element("note").hidden = !note;
  element("drawn").textContent = count(items.length);
  const unclouded = items.some((item) => item.cloud === null) && items.some((item) => item.cloud !== null);
  element("unknown-row").hidden = !unclouded;
  zoomTo(items);
  land.addTo(map);
  paint();
  filter();
  reopen();
  window.preview = { hits, items, map, select };
  document.body.dataset.ready = "1";
})();
