"""The page's looks: by daylight and by night, on paper, and on a narrow screen."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f7f6f3; --card: #ffffff; --ink: #22252b; --soft: #666b75; --line: #dfddd7;
  --bar: #5b7aa9; --track: #eeece7; --accent: #b4552d;
  --yes: #2c7a4b; --no: #b3372f; --open: #a36a00;
  --mask: #3a3f4a; --on-mask: #ffffff; --random: #f3cf7a; --similar: #d9c2f0;
  --moved: #aed6ee; --kept: #bfe3c4; --on-mark: #1d2024;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --card: #1f2227; --ink: #e4e5e8; --soft: #9aa0ab; --line: #363a42;
    --bar: #7d9cce; --track: #2a2e35; --accent: #e08a5f;
    --yes: #63bd86; --no: #ee7d74; --open: #e0ab4a;
    --mask: #d9dce2; --on-mask: #16181c; --random: #c79a35; --similar: #a888cf;
    --moved: #6aa9cc; --kept: #6fae79; --on-mark: #101215;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif;
}
h1 { margin: 0 0 1.25rem; font-size: 1rem; font-weight: 600; color: var(--soft); }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1rem; }
p { margin: 0; }
small, .scope, .note { font-size: .82rem; color: var(--soft); }
section.verdict, article, section.facts {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
}
section.verdict {
  display: grid; grid-template-columns: 3fr 2fr; gap: 1rem 2.5rem; align-items: center;
  padding: 1.5rem 1.75rem; border-left: .5rem solid var(--answer);
}
section.verdict h2 { margin: 0 0 .4rem; font-size: 1.75rem; line-height: 1.2;
  color: var(--answer); }
.yes { --answer: var(--yes); } .no { --answer: var(--no); }
.partly, .unclear { --answer: var(--open); }
section.facts { margin-top: 1rem; padding: 1rem 1.75rem; }
dl { display: flex; flex-wrap: wrap; gap: .75rem 2.25rem; margin: 0; }
dt { font-size: .78rem; color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; align-items: baseline; gap: .4rem 1.5rem;
  margin: 0 0 .9rem; padding: 0; list-style: none; font-size: .9rem; }
article { padding: 1rem 1.25rem; }
article + article { margin-top: .9rem; }
.example header { font-size: .85rem; color: var(--soft); margin-bottom: .35rem;
  overflow-wrap: anywhere; }
.text { font-size: 1.12rem; line-height: 2.35; }
.text + .text { border-top: 1px dashed var(--line); margin-top: .35rem; padding-top: .35rem; }
.word { display: inline-block; margin: 0 .09em; padding: 0 .12em; line-height: 1.45;
  border: 1px solid var(--line); border-radius: .3em; }
.word.long { border-color: var(--soft); }
mark { padding: 0 .08em; border-radius: .18em; color: var(--on-mark); }
mark.mask { background: var(--mask); color: var(--on-mask); }
mark.random, mark.fallback { background: var(--random); }
mark.similar { background: var(--similar); }
mark.moved { background: var(--moved); }
mark.kept { background: var(--kept); text-decoration: underline; text-underline-offset: .15em; }
rt { font-size: .7em; color: var(--accent); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: .9rem; }
.charts article { margin: 0; }
.scope { margin-bottom: .6rem; }
.note { margin-top: .6rem; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th { font-weight: 400; text-align: left; padding: .12rem .7rem .12rem 0; width: 1%;
  white-space: nowrap; }
td { padding: .12rem 0; }
td.number { width: 1%; padding-left: .7rem; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
td.more { width: 1%; padding-left: .9rem; text-align: right; white-space: nowrap;
  color: var(--soft); font-size: .82rem; font-variant-numeric: tabular-nums; }
.track { position: relative; height: .85rem; min-width: 3rem; background: var(--track);
  border-radius: .15rem; }
.bar { height: 100%; border-radius: .15rem; background: var(--bar); }
.bar.mask { background: var(--mask); } .bar.kept { background: var(--kept); }
.bar.random, .bar.fallback { background: var(--random); }
.bar.similar { background: var(--similar); } .bar.moved { background: var(--moved); }
.bar.here { background: var(--answer); } .bar.chance { background: var(--soft); }
.expected { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px;
  background: var(--accent); }
.key { color: var(--accent); font-weight: 700; }
.histogram { display: flex; align-items: flex-end; gap: 2px; height: 9rem; margin: 0; padding: 0;
  list-style: none; font-size: .7rem; text-align: center; font-variant-numeric: tabular-nums; }
.histogram li { flex: 1; display: flex; flex-direction: column; justify-content: flex-end;
  height: 100%; min-width: 0; color: var(--soft); }
.histogram .bar { flex: none; border-radius: .15rem .15rem 0 0; min-height: 1px; }
.chips { display: flex; flex-wrap: wrap; gap: .3rem; margin: .5rem 0 0; padding: 0;
  list-style: none; font-size: .9rem; }
.chips li { padding: 0 .45em; border: 1px solid var(--line); border-radius: .3em; }
@media (max-width: 46rem) {
  body { padding: 1rem .75rem 2rem; }
  section.verdict { grid-template-columns: 1fr; padding: 1.1rem; }
  section.verdict h2 { font-size: 1.4rem; }
  section.facts, article { padding: .9rem; }
  .charts { grid-template-columns: 1fr; }
  th { white-space: normal; min-width: 2.2rem; width: auto; }
  .track { min-width: 5rem; }
}
@media print {
  body { max-width: none; padding: 0; }
  .bar, mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  article, section.verdict { break-inside: avoid; }
}
"""
