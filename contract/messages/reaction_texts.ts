/**
 * Recognises reactions that arrive as texts: what Messages and Android phones write into an SMS when somebody taps a
 * reaction, in the language of that phone.
 */

/** Opening and closing quotation marks of all languages; an apostrophe only beside a space. */
const OPEN = `[“”„«»‹›「『《"‘‚']`;
const CLOSE = `[“”„«»‹›」』》"’‘']`;

/**
 * What stands before the quoted message, by language. Messages' own wording, and where its releases differ the words
 * that all of them share.
 */
const ADDED = [
  // English
  "loved|liked|disliked|laughed at|emphasi[sz]ed|questioned",
  // German
  "liebt|gefällt(?: mir)?(?: nicht)?|mag|mag nicht|lacht über|lachte über|betont|betonte|hervorgehoben|fragt nach|befragte|zweifelt an|hinterfragt|hat markiert|markierte",
  // French
  "a (?:ajouté .{1,24}? à|adoré|aimé|ri (?:de|à)|mis en évidence|souligné|insisté sur|posé une question sur|mis un point d.interrogation (?:à|sur))|n.a pas aimé|s.est (?:interrogée?|interrogé\\(e\\)) sur",
  // Spanish
  "(?:le|me) (?:encantó|encanta|gustó|gusta|dio risa|hizo gracia|hizo reír)|no (?:le|me) (?:gustó|gusta)|se rio de|se rió de|exclamó por|exclamó ante|enfatizó|destacó|dudó (?:sobre|de)|cuestionó|preguntó por",
  // Portuguese
  "amou|adorou|gostou de|curtiu|não gostou de|não curtiu|riu de|riu(?:-se)? com|enfatizou|destacou|questionou",
  // Italian
  "ha (?:messo .{1,16}? a|adorato|amato|apprezzato|riso (?:a|di|per)|trovato divertente|evidenziato|enfatizzato|dato enfasi a|dubitato di|messo in dubbio)|piace|(?:non|mi|gli|le) è piaciut[oa]|non piace|non ha (?:apprezzato|gradito)",
  // Dutch
  "(?:hartje|vindt) .{0,6}(?:leuk|geweldig)|vond .{0,8}leuk|lachte om|lacht om|benadrukte|benadrukt|zette een vraagteken bij|betwijfelde|gaf een hartje aan|vindt (?:niet )?leuk",
  // Nordic languages
  "älskade|gillade(?: inte)?|ogillade|skrattade åt|betonade|ifrågasatte|elsket|likte(?: ikke)?|lo av|understreket|stilte spørsmål ved|elskede|syntes (?:ikke )?godt om|grinede ad|lo ad|fremhævede|satte spørgsmålstegn ved|rakasti|tykkäsi|ei tykännyt|nauroi|korosti|kyseenalaisti",
  // Polish, Czech, Hungarian, Romanian
  "uwielbia|polubił\\(?a?\\)?|lubi|nie lubi|nie podoba się|roześmiał\\(?a?\\)? się z|wyróżnił\\(?a?\\)?|zakwestionował\\(?a?\\)?|zamiloval\\(?a?\\)? si|líbí se|nelíbí se|zasmál\\(?a?\\)? se|zdůraznil\\(?a?\\)?|zpochybnil\\(?a?\\)?|imádta|tetszett neki|nevetett ezen|kiemelte|megkérdőjelezte|a adorat|a apreciat|nu a apreciat|a râs la|a subliniat|a pus la îndoială",
  // Russian, Ukrainian, Greek, Turkish
  "(?:очень )?понравил(?:ось|ся|ась)|не понравил(?:ось|ся|ась)|ставит (?:«?нравится»?|сердце)|смеется над|смеётся над|засмеял(?:ся|ась) над|(?:сделан акцент|акцент) на|выделил(?:\\(а\\)|а)?|вопрос (?:к|по)|(?:дуже )?сподобал(?:ося|ась)|не сподобал(?:ося|ась)|сміється з|наголошує на|λάτρεψε|του άρεσε|της άρεσε|δεν του άρεσε|γέλασε με|έδωσε έμφαση σε|αμφισβήτησε|bayıldı|beğendi|beğenmedi|güldü|vurguladı|sorguladı",
].join("|");

/** The same for a reaction that is taken back: a fixed verb, the reaction, and where it was taken from. */
const REMOVED = [
  "removed .{1,40}? from",
  "(?:hat )?.{0,30}?(?:entfernte|entfernt) .{0,40}?von|.{1,40} entfernt von",
  "a (?:retiré|supprimé|enlevé) .{1,40}? (?:de|du|à)",
  "(?:eliminó|quitó|retiró) .{1,40}? (?:de|del|a)",
  "(?:removeu|retirou) .{1,40}? (?:de|do|da)",
  "ha (?:rimosso|eliminato|tolto) .{1,40}? (?:da|dal|a)",
  "(?:verwijderde|heeft) .{1,40}? (?:verwijderd )?van",
  "(?:tog bort|fjernet|fjernede) .{1,40}? (?:från|fra)",
  "(?:usunięto|usunął|usunęła) .{1,40}? (?:z|od)",
  "(?:удалил(?:а|\\(а\\))?|убрал(?:а|\\(а\\))?) .{1,40}? (?:с|к|у|от)",
].join("|");

/** An emoji, joined of several or not, with the white space and marks that Android puts around it. */
const EMOJI = "(?:\\p{Extended_Pictographic}|\\p{Regional_Indicator}{2}|[0-9#*]\\u{FE0F}?\\u{20E3})" +
  "[\\p{Emoji_Modifier}\\u{FE0F}\\u{200D}\\p{Extended_Pictographic}\\u{E0020}-\\u{E007F}]*";

/** Reactions with any emoji: Messages names the verb, Android begins with the emoji. */
const WITH_EMOJI = [
  `reacted (?:with )?(?:a sticker|${EMOJI}) to`,
  `reacted (?:with )?(?:a sticker|${EMOJI})`,
  `(?:a réagi (?:avec|par) .{1,24}? à|reaccionó con .{1,24}? a|reagiu com .{1,24}? a|ha reagito con .{1,24}? a)`,
  `(?:reagierte (?:mit )?.{1,24}? auf|hat mit .{1,24}? auf|reageerde met .{1,24}? op|reagerade med .{1,24}? på)`,
  `(?:reagerte med .{1,24}? på|reagerede med .{1,24}? på|zareagował\\(?a?\\)? .{1,24}? na|.{1,24}? реакция на)`,
  `(?:реагирует .{1,24}? на|отреагировал\\(?а?\\)? .{1,24}? на)`,
  `${EMOJI}\\s*(?:to|for|auf|zu|à|a|para|op|på|til|na|к|на|için|으로|に|on|su|em|pour)`,
].join("|");

/** What is reacted to, where it has no words. */
const THINGS = [
  "(?:an?|the) (?:image|photo|picture|video|movie|attachment|sticker|audio message|voice message|contact|link|location|message|file|gif)",
  "\\d+ (?:images|photos|pictures|videos|attachments)",
  "(?:ein(?:e|en|em|er)?|une?|una?|uma?|un|een|ett?|en|et) (?:bild|foto|video|anhang|sticker|sprachnachricht|image|photo|vidéo|pièce jointe|autocollant|message audio|imagen|foto|vídeo|archivo adjunto|adjunto|mensaje de audio|imagem|anexo|figurinha|mensagem de áudio|immagine|allegato|adesivo|messaggio audio|afbeelding|bijlage|filmpje|bild|bilaga|vedlegg|bilde|billede)",
].join("|");

/** In these languages the verb follows the quoted message. */
const ADDED_BEHIND = [
  "geliebt|gefällt(?: mir)?(?: nicht)?|(?:mit „gefällt mir“ )?markiert|hervorgehoben|hinterfragt|belacht",
  "に(?:ハート|いいね|よくないね|笑い|びっくり|はてな|「?[^」]{1,12}」?)(?:を送りました|しました|とリアクションしました|でリアクションしました)?",
  "を(?:強調しました|疑問に思いました|大好きと言いました|いいねしました|よくないねしました)|に(?:笑いました|疑問を持ちました)",
  "(?:을|를|에|에게)? ?(?:좋아함|좋아요|싫어함|웃음|강조함|물음표|하트|사랑함|공감함)(?:을|를)? ?(?:표시함|추가함|보냄|남김)?",
  "(?:ifadesine|mesajını|mesajına|ifadesini)? ?(?:bayıldı|beğendi|beğenmedi|güldü|vurguladı|sorguladı)",
  "leuk gevonden|hartje gegeven",
].join("|");

/** Chinese writes the verb before the quoted message without a space. */
const ADDED_WITHOUT_SPACE =
  "(?:喜欢|喜愛|喜爱|赞了|讚了|赞|讚|不喜欢|不喜歡|踩了|大笑|笑了|觉得好笑|覺得好笑|对|對|强调|強調|强调了|強調了|质疑|質疑|疑问|疑問|爱了|愛了|爱心|愛心)(?:了)?";

const QUOTED = `${OPEN}[\\s\\S]*${CLOSE}`;
const ENDED = "[\\s.…]*";

const FORMS = [
  `(?:${ADDED}|${REMOVED}|${WITH_EMOJI})\\s*:?\\s*(?:${QUOTED}|${THINGS})`,
  `(?:hat\\s+)?${QUOTED}\\s*(?:${ADDED_BEHIND})`,
  `${ADDED_WITHOUT_SPACE}\\s*${QUOTED}`,
  `${ADDED_WITHOUT_SPACE}?(?:一张|一張|一个|一個)(?:图片|圖片|照片|视频|影片|附件)`,
].map((form) => new RegExp(`^${form}${ENDED}$`, "iu"));

/** A few words and a quotation that ends the text: the form of a reaction in any language. */
const QUOTATION = new RegExp(
  `^([^“”„«»‹›「『《"]{0,40}?)\\s*${OPEN}([\\s\\S]+)${CLOSE}([^“”„«»‹›」』》"]{0,30})$`,
  "u",
);
const CUT = /(?:…|\.{3})$/;
/** Shorter quotations could be anything. */
const MIN_QUOTED = 2;

/** Without the marks of writing direction, zero-width and hair spaces that phones put around emoji and quotations. */
function plain(text: string): string {
  return text.replace(/[\u200B\u200C\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/g, "")
    .replace(/[\s\u00A0\u2000-\u200A\u202F]+/g, " ").trim();
}

/** What a text that has the form of a reaction quotes; null for another form. */
function quotedBy(text: string): string | null {
  const [, before = "", quoted = "", after = ""] = QUOTATION.exec(text) ?? [];
  return quoted.trim().length >= MIN_QUOTED && (before + after).trim() !== "" ? quoted.trim() : null;
}

function isQuotationOf(quoted: string, message: string): boolean {
  const words = plain(message);
  if (!CUT.test(quoted)) return words === quoted;
  const beginning = quoted.replace(CUT, "").trim();
  return beginning.length >= MIN_QUOTED && words.length > beginning.length && words.startsWith(beginning);
}

/**
 * True for the text of a reaction: in a language that is known here, or in any other when it quotes another message of
 * its conversation.
 *
 * @param others texts of the conversation's other messages
 */
export function isReactionText(text: string, others: readonly (string | null)[] = []): boolean {
  const words = plain(text);
  if (FORMS.some((form) => form.test(words))) return true;
  const quoted = quotedBy(words);
  return quoted !== null && others.some((other) => other !== null && isQuotationOf(quoted, other));
}
