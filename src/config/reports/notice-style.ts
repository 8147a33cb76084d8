/** The style of the notice, in the file itself: it looks the same wherever it is opened. Black on white: any printer will do. */
export const NOTICE_STYLE = `
@page { size: A4 portrait; margin: 0; }
* { box-sizing: border-box; }
html { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body { margin: 0; background: #ddd; color: #111; font: 10pt/1.32 "Liberation Sans", Arial, Helvetica, sans-serif; }
.page { display: flex; flex-direction: column; gap: 4mm; width: 210mm; height: 296.5mm; margin: 0 auto 6mm; padding: 13mm 15mm 8mm;
  background: #fff; break-after: page; }
.page:last-child { break-after: auto; }
h1, h2, p, ul { margin: 0; }
h1 { font-size: 30pt; line-height: 1.1; }
h2 { font-size: 11.5pt; }
small { color: #555; font-size: 8pt; font-weight: normal; }
header { padding-bottom: 3mm; border-bottom: 1.2mm solid #111; }
.place { margin-top: 1mm; font-size: 14pt; }
.simulated { padding: 2mm 3mm; border: 0.6mm dashed #111; font-weight: bold; }
.purpose p { margin-top: 1mm; }
.purpose .short { font-size: 19pt; line-height: 1.2; font-weight: bold; }
.purpose .long { font-size: 12pt; font-weight: bold; }
.cards { display: grid; grid-template-columns: 1fr 1fr; gap: 3.5mm; }
.card { padding: 2.5mm 3.5mm; border: 0.4mm solid #111; border-left-width: 2.2mm; border-radius: 1mm; }
.card ul { margin-top: 1mm; padding-left: 4.5mm; }
.people { padding: 3mm 4mm; background: #eef3f1; border-radius: 1mm; }
.people p { margin-top: 1.2mm; }
footer { display: grid; grid-template-columns: 1fr auto; gap: 6mm; align-items: end; margin-top: auto; }
.rights p { margin-top: 1.2mm; }
.more { max-width: 62mm; text-align: center; }
.qr svg { display: block; width: 34mm; height: 34mm; margin: 1mm auto 0; }
.link { font-size: 9pt; overflow-wrap: anywhere; }
.origin { color: #555; font-size: 7.5pt; }
.claims { color: #333; font-size: 8pt; }
.dense { font-size: 9pt; }
.dense .place, .dense .purpose .long { font-size: 10pt; }
.densest { gap: 2mm; padding-top: 7mm; padding-bottom: 6mm; font-size: 7.2pt; }
.densest h1 { font-size: 18pt; }
.dense h2 { font-size: 10.5pt; }
.densest h2 { font-size: 9pt; }
.densest .cards { gap: 2mm; }
.densest .card, .densest .people { padding-top: 1.2mm; padding-bottom: 1.2mm; }
.densest .card ul, .densest .people p, .densest .rights p { margin-top: 0.6mm; }
.densest .place, .densest .purpose .long { font-size: 8pt; }
.densest small, .densest .claims, .densest .link { font-size: 6.8pt; }
mark { background: #ffe14d; }
@media print { body { background: none; } .page { margin: 0; } }
`;
