/**
 * Space around a QR code that readers need, and its error correction: a quarter of it may be dirty or torn off, outdoors
 * (ISO/IEC 18004 §9.1, quiet zone of 4 modules; §8.5, level Q).
 */
const QUIET_MODULES = 4;

/** A text as a QR code, as one SVG element. The library is loaded when it is needed, which is never on a running node. */
export async function qrSvg(text: string): Promise<string> {
  const { renderSVG } = await import("uqr");
  return renderSVG(text, { ecc: "Q", border: QUIET_MODULES, pixelSize: 1 });
}
