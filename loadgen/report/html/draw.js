// The page's pictures drawn by plotly.js, from the same numbers as the still ones, which stay where it is not there.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const DASH = { "": "solid", dash: "dash", dot: "dot" };
  const HEAD = 24, APART = 14, FOOT = 46;

  // what the style sheet says a colour is, as rgb(); with `opacity` as rgba()
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  function colour(name, opacity = 1) {
    probe.style.color = `var(--${name})`;
    const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
    return `rgba(${red},${green},${blue},${opacity})`;
  }
  const font = (size, name = "soft") => ({ size, color: colour(name), family: getComputedStyle(document.body).fontFamily });

  const plain = (text) => String(text).replace(/[<>&]/g, (sign) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[sign]);

  function tip(panel, mark) {
    const name = mark.name ? `<b>${plain(mark.name)}</b>: ` : "";
    return `${name}%{y:.4~g}${panel.y.unit ? " " + plain(panel.y.unit) : ""}<extra></extra>`;
  }

  const MARKS = {
    line: (mark, panel) => [{
      type: "scatter", mode: "lines", x: mark.x, y: mark.y, name: plain(mark.name), hovertemplate: tip(panel, mark),
      line: { color: colour(`c${mark.colour}`), width: 2, dash: DASH[mark.dash], shape: mark.is_step ? "hv" : "linear" },
      fill: mark.is_filled ? "tozeroy" : "none", fillcolor: colour(`c${mark.colour}`, 0.14), connectgaps: false,
    }],
    band: (mark) => {
      const there = mark.x.map((_, place) => place).filter((place) => mark.low[place] !== null && mark.high[place] !== null);
      const back = [...there].reverse();
      return [{
        type: "scatter", mode: "lines", hoverinfo: "skip", fill: "toself", line: { width: 0 },
        fillcolor: colour(`c${mark.colour}`, 0.18),
        x: [...there.map((place) => mark.x[place]), ...back.map((place) => mark.x[place])],
        y: [...there.map((place) => mark.high[place]), ...back.map((place) => mark.low[place])],
      }];
    },
    points: (mark, panel) => {
      const ends = (side, sign) => mark.y.map((y, place) => (side[place] == null || y == null ? 0 : Math.max(sign * (side[place] - y), 0)));
      return [{
        type: "scatter", mode: `markers${mark.is_joined ? "+lines" : ""}${mark.labels.length ? "+text" : ""}`,
        x: mark.x, y: mark.y, text: mark.labels.map(plain), textposition: "top center", textfont: font(11.5, "ink"),
        customdata: mark.tips.map(plain), cliponaxis: false,
        hovertemplate: mark.tips.length ? "%{customdata}<extra></extra>" : tip(panel, mark),
        line: { color: colour(`c${mark.colour}`), width: 2 },
        marker: {
          size: 9, line: { width: 2, color: colour(`c${mark.colour}`) },
          color: mark.y.map((_, place) => (mark.hollow[place] ? colour("paper") : colour(`c${mark.colour}`))),
        },
        error_y: mark.low.length ? {
          type: "data", symmetric: false, array: ends(mark.high, 1), arrayminus: ends(mark.low, -1),
          color: colour(`c${mark.colour}`), thickness: 1.6, width: 3,
        } : undefined,
      }];
    },
    bars: (mark, panel, figure) => [{
      type: "bar", y: mark.y, x: mark.low.map((low, place) => (low + mark.high[place]) / 2),
      width: mark.low.map((low, place) => mark.high[place] - low), marker: { color: colour(`c${mark.colour}`, 0.8) },
      customdata: mark.low.map((low, place) => [low, mark.high[place]]),
      hovertemplate: `%{customdata[0]:.4~g} – %{customdata[1]:.4~g} ${plain(figure.x.unit)}: %{y:.3~g} ${plain(panel.y.unit)}<extra></extra>`,
    }],
    heat: (mark, panel, figure) => [{
      type: "heatmap", x: mark.x_edges, y: mark.y_edges, z: mark.share, zmin: 0, zmax: 1, showscale: false, hoverongaps: false,
      colorscale: [[0, colour("heat", 0)], [1e-6, colour("heat", 0.12)], [1, colour("heat", 1)]],
      hovertemplate: `${plain(figure.x.label)} %{x:.4~g}, about %{y:.3~g} ${plain(panel.y.unit)}<br>%{z:.1%} of the fullest cell<extra></extra>`,
    }],
    rule: () => [], zone: () => [],
  };

  function over(mark, panel, axes) {
    const [x, y] = axes, at = (axis, value) => (axis.log ? Math.log10(value) : value);
    const limit = mark.is_limit ? "limit" : "soft";
    const words = { text: plain(mark.name ?? ""), showarrow: false, font: font(11.5, "ink"), xref: "x", bgcolor: colour("paper", 0.75), borderpad: 1 };
    if (mark.kind === "zone") {
      const shape = { type: "rect", layer: "below", line: { width: 0 }, xref: "x", yref: `${y.id} domain`, x0: mark.low, x1: mark.high, y0: 0, y1: 1, fillcolor: mark.is_bad ? colour("limit", 0.08) : colour("soft", 0.12) };
      const name = { ...words, x: at(x, mark.low), y: mark.is_bad ? 0 : 1, yref: `${y.id} domain`, xanchor: "left", yanchor: mark.is_bad ? "bottom" : "top", bgcolor: "rgba(0,0,0,0)", font: font(11.5, mark.is_bad ? "bad" : "ink") };
      const share = (at(x, mark.high) - at(x, mark.low)) / (at(x, x.range[1]) - at(x, x.range[0]));
      return { shape, name: share > 0.012 * (mark.name ?? "").length ? name : null };
    }
    const line = { color: colour(limit), width: mark.is_limit ? 2 : 1.4, dash: mark.is_limit ? "solid" : "dot" };
    if (mark.is_upright) {
      return {
        shape: { type: "line", line, xref: "x", yref: `${y.id} domain`, x0: mark.at, x1: mark.at, y0: 0, y1: 1 },
        name: { ...words, x: at(x, mark.at), y: mark.is_low ? 0 : 1, yref: `${y.id} domain`, xanchor: mark.side === "left" || (!mark.side && at(x, mark.at) > (at(x, x.range[0]) + at(x, x.range[1])) / 2) ? "right" : "left", yanchor: mark.is_low ? "bottom" : "top" },
      };
    }
    const isShort = mark.low !== null;
    return {
      shape: { type: "line", line, xref: isShort ? "x" : "x domain", yref: y.id, x0: isShort ? mark.low : 0, x1: isShort ? mark.high : 1, y0: mark.at, y1: mark.at },
      name: { ...words, xref: isShort ? "x" : "x domain", x: isShort ? at(x, mark.low) : 1, y: at(panel.y, mark.at), yref: y.id, xanchor: "right", yanchor: isShort ? "middle" : "bottom" },
    };
  }

  function axisOf(axis, more) {
    const ends = axis.log ? axis.range.map((end) => Math.log10(end)) : axis.range;
    return {
      type: axis.log ? "log" : "linear", range: ends, gridcolor: colour("faint"), zeroline: false, linecolor: colour("soft"),
      tickfont: font(12), tickformat: ",~g", exponentformat: "none", hoverformat: ".4~g", minallowed: undefined,
      ...(axis.ticks ? { tickvals: axis.ticks.map(([value]) => value), ticktext: axis.ticks.map(([, words]) => plain(words)) } : {}),
      ...more,
    };
  }

  function drawn(figure) {
    const panels = figure.panels, inner = panels.reduce((sum, panel) => sum + panel.height + HEAD, 0) + APART * (panels.length - 1);
    const layout = {
      height: inner + FOOT, margin: { l: 58, r: 16, t: 0, b: FOOT, pad: 0 }, showlegend: false, hovermode: "closest", barmode: "overlay",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(12), shapes: [], annotations: [], dragmode: "zoom",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft", 0.7), activecolor: colour("ink") },
      hoverlabel: { bgcolor: colour("sheet"), bordercolor: colour("edge"), font: font(12, "ink") },
      xaxis: axisOf(figure.x, { title: { text: plain(figure.x.label), font: font(12, "ink"), standoff: 8 }, showgrid: false, ticks: "outside", anchor: panels.length > 1 ? `y${panels.length}` : "y" }),
    };
    if (figure.panels.some((panel) => panel.marks.filter((mark) => mark.kind === "line").length > 1)) layout.hovermode = "x";
    const traces = [];
    let top = inner;
    panels.forEach((panel, place) => {
      const id = place ? `y${place + 1}` : "y";
      const domain = [(top - HEAD - panel.height) / inner, (top - HEAD) / inner];
      layout[`yaxis${place ? place + 1 : ""}`] = axisOf(panel.y, { domain, fixedrange: figure.inTime, nticks: Math.max(Math.round(panel.height / 42), 3), anchor: "x" });
      layout.annotations.push({ text: plain(panel.y.label), x: 0, y: domain[1], xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", xshift: -56, yshift: 3, showarrow: false, font: font(12, "ink") });
      layout.shapes.push({ type: "line", xref: "paper", yref: `${id} domain`, x0: 0, x1: 1, y0: 0, y1: 0, line: { color: colour("soft"), width: 1 } });
      for (const mark of panel.marks) {
        traces.push(...MARKS[mark.kind](mark, panel, figure).map((trace) => ({ ...trace, yaxis: id })));
        if (mark.kind === "rule" || mark.kind === "zone") {
          const { shape, name } = over(mark, panel, [figure.x, { id }]);
          layout.shapes.push(shape);
          if (name && mark.name) layout.annotations.push(name);
        }
      }
      top -= HEAD + panel.height + APART;
    });
    return { traces, layout };
  }

  const config = { responsive: true, displaylogo: false, displayModeBar: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], doubleClick: "reset" };
  const inTime = [];
  let isFollowing = false;

  // zooming into one picture over time zooms into all of them
  function follow(from, event) {
    if (isFollowing || !Object.keys(event).some((key) => key.startsWith("xaxis."))) return;
    isFollowing = true;
    const range = [...from.layout.xaxis.range];
    const others = inTime.filter((live) => live !== from);
    Promise.all(others.map((live) => Plotly.relayout(live, { "xaxis.range": range }))).finally(() => { isFollowing = false; });
  }

  async function draw(figure) {
    const box = document.querySelector(`[data-figure="${CSS.escape(figure.key)}"]`), live = box.querySelector(".live");
    const { traces, layout } = drawn(figure), isFirst = !box.classList.contains("is-live");
    box.classList.add("is-live");
    await Plotly.react(live, traces, layout, { ...config, toImageButtonOptions: { filename: figure.key, scale: 2 } });
    live.querySelector("svg.main-svg")?.setAttribute("aria-hidden", "true");
    if (isFirst && figure.inTime) {
      inTime.push(live);
      live.on("plotly_relayout", (event) => follow(live, event));
    }
  }

  if (typeof Plotly === "undefined") return; // the still pictures are all there is
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      near.unobserve(entry.target);
      draw(figures.find((figure) => figure.key === entry.target.dataset.figure));
    }
  }, { rootMargin: "600px" });
  for (const box of document.querySelectorAll("[data-figure]")) near.observe(box);
  document.addEventListener("theme", () => figures.filter((figure) => document.querySelector(`[data-figure="${CSS.escape(figure.key)}"].is-live`)).forEach(draw));
})();
