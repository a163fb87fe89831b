/** The page's one style sheet. Contrast is at least 4.5 to 1 in light and dark; nothing is told by colour alone. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --sheet: #ffffff; --ink: #1b1f27; --soft: #535b69; --line: #d9dde4; --link: #0a58a8;
  --track: #e3e6ec; --calm: #565e6c; --moving: #0a58a8; --waiting: #8a5300; --good: #17693a; --bad: #b3231d;
  --calm-bg: #eceef2; --moving-bg: #e3effb; --waiting-bg: #fdf0d8; --good-bg: #e0f3e6; --bad-bg: #fce7e5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --sheet: #1c2027; --ink: #e7eaf0; --soft: #a3acba; --line: #343b46; --link: #7fb6f2;
    --track: #333a45; --calm: #b4bcc9; --moving: #86bdf7; --waiting: #f1bd6a; --good: #7ed39c; --bad: #ff9d96;
    --calm-bg: #2a303a; --moving-bg: #16324f; --waiting-bg: #40300f; --good-bg: #14361f; --bad-bg: #47201d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px;
}
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: center; padding-top: .9rem; padding-bottom: .9rem; }
header .brand { font-weight: 700; font-size: 1.15rem; text-decoration: none; color: var(--ink); }
header .who { margin-left: auto; display: flex; gap: .75rem; align-items: center; }
footer { color: var(--soft); font-size: .875rem; padding-top: 1rem; padding-bottom: 2rem; }
h1 { font-size: 1.5rem; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
section, .sheet { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.25rem; margin: 0 0 1rem; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--sheet); padding: .25rem .5rem; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.words { white-space: pre-wrap; overflow-wrap: anywhere; }
.clamp { max-height: 15em; overflow: auto; }
code { font: .875em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .6rem .75rem .6rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { border-top: 0; color: var(--soft); font-size: .8125rem; font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 9rem; overflow-wrap: break-word; }
tbody th .soft { font-weight: 400; }
.tag { display: inline-block; padding: .05rem .55rem; border-radius: 99px; font-size: .8125rem; font-weight: 600; white-space: nowrap; }
.calm { color: var(--calm); background: var(--calm-bg); }
.moving { color: var(--moving); background: var(--moving-bg); }
.waiting { color: var(--waiting); background: var(--waiting-bg); }
.good { color: var(--good); background: var(--good-bg); }
.bad { color: var(--bad); background: var(--bad-bg); }
.note { border-radius: 8px; padding: .6rem .9rem; margin: 0 0 1rem; }
.weight { display: flex; align-items: center; gap: .5rem; min-width: 7rem; max-width: 20rem; }
.weight span { min-width: 3.2em; font-variant-numeric: tabular-nums; }
progress { appearance: none; width: 100%; min-width: 3.5rem; height: .6rem; border: 0; border-radius: 99px; background: var(--track); overflow: hidden; }
progress::-webkit-progress-bar { background: var(--track); border-radius: 99px; }
progress::-webkit-progress-value { background: var(--moving); border-radius: 99px; }
progress::-moz-progress-bar { background: var(--moving); border-radius: 99px; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .45rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
form.inline { display: inline; margin: 0; }
form.act { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: end; margin: 0 0 .9rem; }
form.act:last-child { margin-bottom: 0; }
form.act label { flex: 1 1 16rem; font-size: .875rem; color: var(--soft); }
input[type=text], input[type=password] {
  display: block; width: 100%; margin-top: .15rem; padding: .5rem .65rem; font: inherit; color: var(--ink);
  background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
}
button { font: inherit; font-weight: 600; padding: .5rem 1rem; border-radius: 6px; cursor: pointer; color: var(--ink); background: var(--calm-bg); border: 1px solid var(--soft); }
button.yes { color: var(--good); background: var(--good-bg); border-color: var(--good); }
button.no { color: var(--bad); background: var(--bad-bg); border-color: var(--bad); }
button.plain { background: none; border: 0; padding: 0; color: var(--link); text-decoration: underline; font-weight: 400; }
summary { cursor: pointer; font-weight: 600; }
details > *:not(summary) { margin-top: .75rem; }
.login { max-width: 26rem; margin: 3rem auto; }
.login button { margin-top: 1rem; }
ul.plain { list-style: none; margin: 0; padding: 0; }
ul.plain li { padding: .5rem 0; border-top: 1px solid var(--line); }
ul.plain li:first-child { border-top: 0; padding-top: 0; }
@media (max-width: 46rem) {
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  section, .sheet { padding: .9rem; }
  table.stack caption { display: block; }
  table.stack, table.stack tbody, table.stack tr, table.stack th, table.stack td { display: block; border: 0; padding: 0; }
  table.stack thead { position: absolute; left: -100rem; }
  table.stack tr { border-top: 1px solid var(--line); padding: .75rem 0; }
  table.stack tbody tr:first-child { border-top: 0; padding-top: 0; }
  table.stack th[scope=row] { font-size: 1.05rem; }
  table.stack td { display: grid; grid-template-columns: 6.5rem 1fr; gap: .5rem; padding: .2rem 0; }
  table.stack td::before { content: attr(data-label); color: var(--soft); font-size: .875rem; }
  table.stack td.empty { display: none; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .6rem; }
}
`;
