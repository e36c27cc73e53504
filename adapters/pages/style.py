"""How pages look: on a phone, on a screen, and on one sheet of A4."""

from typing import Final

#: Letters of the reader's own device: nothing is fetched.
STYLE: Final = """
:root { --ink: #16202b; --soft: #56616d; --line: #cfd6dd; --tint: #f3f6f8; --accent: #0b5c6b; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.25rem; max-width: 62rem; color: var(--ink); background: #fff;
  font: 1rem/1.45 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", Arial, sans-serif;
  overflow-wrap: break-word; }
h1 { margin: 0 0 .4rem; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 1.6rem 0 .4rem; font-size: 1.1rem; color: var(--accent); break-after: avoid; }
p { margin: 0 0 .6rem; max-width: 48rem; }
ul, ol { margin: 0 0 .6rem; padding-left: 1.3rem; max-width: 48rem; }
li { margin-bottom: .25rem; }
a { color: var(--accent); }
.top { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: .8rem;
  padding-bottom: .5rem; border-bottom: 3px solid var(--accent); color: var(--soft);
  font-size: .9rem; }
.top a { margin-left: .8rem; }
.soft { color: var(--soft); font-size: .875rem; }
.none { padding: 1rem; background: var(--tint); border-left: 4px solid var(--accent); }
table { width: 100%; border-collapse: collapse; table-layout: fixed; margin: .8rem 0; }
th { padding: .35rem .5rem; text-align: left; font-size: .8rem; color: var(--soft);
  border-bottom: 2px solid var(--line); vertical-align: bottom; overflow-wrap: normal; }
td { padding: .5rem; vertical-align: top; border-bottom: 1px solid var(--line); font-size: .92rem; }
td { hyphens: auto; }
td > div { margin-bottom: .15rem; }
tr { break-inside: avoid; }
.date { width: 13%; } .who { width: 22%; } .what { width: 20%; } .why { width: 20%; }
.on-paper { display: none; }
.state { display: inline-block; padding: .05rem .45rem; border: 1px solid currentColor;
  border-radius: .3rem; font-size: .8rem; font-weight: 600; overflow-wrap: normal; }
.released { color: #0b5c6b; } .withheld { color: #56616d; } .recalled { color: #8a4b00; }
.late { color: #a01c1c; font-weight: 600; }
code { font: .82em/1.35 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; }
.proof { padding: .6rem .8rem; background: var(--tint); font-size: .875rem; max-width: none; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem; }
@media (max-width: 44rem) {
  body { padding: 1rem; }
  .columns { display: block; }
  table, tbody, tr, td { display: block; width: auto; }
  thead { display: none; }
  tr { margin-bottom: .9rem; border: 1px solid var(--line); border-radius: .4rem; }
  td { border-bottom: 1px solid var(--tint); padding: .4rem .7rem; }
  td::before { content: attr(data-label); display: block; font-size: .75rem; color: var(--soft); }
}
@page { size: A4; margin: 12mm; }
@media print {
  body { padding: 0; max-width: none; font-size: 8.6pt; line-height: 1.3; }
  h1 { font-size: 15pt; } h2 { margin-top: 3mm; font-size: 10pt; }
  p, ul, ol { max-width: none; margin-bottom: 1.5mm; }
  td, .soft, .proof { font-size: 8pt; } th, .state { font-size: 7.5pt; }
  td { padding: 1mm 1.5mm; } th { padding: .5mm 1.5mm; }
  table { margin: 2mm 0; }
  .top { margin-bottom: 2mm; padding-bottom: 1mm; font-size: 8pt; }
  .on-screen { display: none; } .on-paper { display: inline; }
  .proof { border: 1px solid var(--line); break-inside: avoid; padding: 1.5mm 2mm; }
  a { color: inherit; text-decoration: none; }
}
"""

#: A slip fills the upper part of a sheet, and can be cut out.
SLIP_STYLE: Final = (
    STYLE
    + """
.slip { max-width: 42rem; margin: 0 auto; padding: 1.2rem; border: 2px dashed var(--line); }
.slip h1 { font-size: 1.45rem; }
.slip .pair { display: flex; gap: 1.4rem; align-items: flex-start; }
.slip .pair > div { flex: 1; }
.slip svg { flex: none; width: 13.5rem; height: 13.5rem; }
.slip .address { padding: .5rem .7rem; background: var(--tint); font-size: 1rem; }
@media (max-width: 44rem) { .slip .pair { display: block; } }
@media print {
  .slip { max-width: 150mm; padding: 7mm; font-size: 10pt; }
  .slip .pair { display: flex; }
  .slip h1 { font-size: 16pt; }
  .slip svg { width: 52mm; height: 52mm; }
  .slip .address { font-size: 10.5pt; border: 1px solid var(--line); }
  .slip .soft { font-size: 9pt; }
}
"""
)
