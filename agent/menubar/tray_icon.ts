/** The menu bar icon. Written by packaging/macos/make_tray_icon.ts; change that instead. */

const PNG_BASE64 =
  "iVBORw0KGgoAAAANSUhEUgAAACQAAAAkCAQAAABLCVATAAAAwElEQVR42mNgGAUDBCQY2hkuM/xm+E8A/gaqageqxgFiGD4TNAIZ" +
  "fgbqwGrMfzJgDKanPpNl0Gd0D7aTZQwItqMadJlsgy6jGvSbbIN+oxr0nwKIx6DjQEgcD69BPmARHyJ4eA06Dhc7ToBHL4Oo5jUq" +
  "BjZF0U+1BEm1LEK1TEu1YoRqBRsVi1oqFv4wsB7FVhvyK6V+uDHPGTQoqd0KoMZcJ+x4/CAAbMxhBh5K61sDoDGrGVgor7gFgKE0" +
  "ChAAAKlyTJyIraCiAAAAAElFTkSuQmCC";

/** A PNG of 36×36 pixels, black with an alpha channel, for macOS to draw in its own colour. */
export const TRAY_ICON: Uint8Array<ArrayBuffer> = Uint8Array.fromBase64(PNG_BASE64);
