/** Recognises messages that wait for no answer: one-time codes, what companies' machines send, and reactions sent as texts. */

/** What a message is judged by. */
export interface MessageSource {
  /** Handle of the sender as Messages has it. */
  readonly senderId: string | null;
  readonly text: string | null;
}

/** Short codes, also as their owners write them (`72-000`); shorter than any telephone number that a person writes from. */
const SHORT_CODE = /^\+?\d(?:[ -]?\d){2,5}$/;
/** The numbers of China that only companies send from: 106 and what names the company. */
const CHINESE_SERVICE = /^(?:\+?86)?106\d{5,17}$/;
/** `urn:biz:<uuid>` and what else Apple may name so. */
const BUSINESS_URN = /^urn:/i;
/**
 * The names under which companies send SMS, such as AMAZON, DHL-Info or VM-HDFCBK: GSM allows eleven characters. Names
 * in small letters alone are left to people, as other clients may name them, but for those that only machines have.
 */
const SENDER_NAME =
  /^(?=.*\p{Lu})[\p{L}\p{N} ._&+*!-]{2,11}$|^(?:info|notice|verify|auth|msg|sms|alerts?|otp)$/u;
/** What Messages adds to a sender that its filters have sorted. */
const FILTER_SUFFIX = /\(sms[a-z_]*\)$/i;
const NO_REPLY =
  /^(?:no|do|ne|nicht)[-_.]?(?:t[-_.]?|pas[-_.]?)?(?:not[-_.]?)?(?:reply|repondre|antworten|responder|rispondere)[^@]*@/i;
const NOTIFIER =
  /^(?:notifications?|alerts?|mailer|mailer-daemon|bounce|automated|verif(?:y|ication)|otp)[^@]*@/i;

/** True for a sender that is a company's machine: a short code, a name in place of a number, a business chat. */
export function isAutomatedSender(senderId: string | null): boolean {
  const sender = (senderId ?? "").trim().replace(FILTER_SUFFIX, "");
  if (sender.includes("@")) return NO_REPLY.test(sender) || NOTIFIER.test(sender);
  return SHORT_CODE.test(sender) || CHINESE_SERVICE.test(sender) || BUSINESS_URN.test(sender) ||
    SENDER_NAME.test(sender);
}

/** A code: four to ten digits, perhaps in two groups, or letters and digits after a service's mark (`G-123456`). */
const CODE = /(?<![A-Za-z\p{N}]|\p{N}[.,/:])(?:\d{4,10}|\d{3}[-\s\u2009]\d{3,4})(?![A-Za-z\p{N}]|[.,/:]\d)/u;
/** A code of at least one digit and one letter, where the words leave no doubt. */
const MIXED_CODE = /(?:^|[\s:"“„«'])(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{5,10}(?![\p{L}\p{N}])/u;

/** Words for a code that proves who somebody is. With a code beside them they leave no doubt. */
const CODE_WORDS = [
  // English
  "(?:verification|security|confirmation|authenticat(?:ion|or)|authori[sz]ation|activation|log-?in|sign-?in|access|validation|" +
  "one[- ]?time|two[- ]?(?:factor|step)|2fa|mfa|sms|recovery|reset)(?: pass| pin)? ?-?(?:code|passcode|password|pin|token|number)",
  "passcode|one[- ]?time (?:pin|pass)|\\botp\\b|\\btan\\b(?! me)|m-?tan",
  "(?:use|enter) (?:the )?(?:code )?[\\d -]{4,10} (?:to|for|as) (?:verify|log|sign|confirm|complete|continue|your)",
  // German, Dutch, Nordic languages: one word
  "(?:bestätigungs|sicherheits|verifizierungs|verifikations|aktivierungs|anmelde|zugangs|freigabe|einmal|authentifizierungs|login|prüf|sms-?)-?(?:code|kode|kennwort|passwort|pin|tan)",
  "einmalpasswort|(?:verificatie|bevestigings|beveiligings|inlog|toegangs|eenmalige|activerings|controle)[ -]?(?:code|wachtwoord)",
  "(?:verifierings|verifikations|bekräftelse|bekreftelses|bekræftelses|säkerhets|sikkerheds|sikkerhets|engångs|engangs|inloggnings|aktiverings)-?(?:koden?|kod|kode)",
  "(?:vahvistus|varmennus|turva|kertakäyttö)[- ]?(?:koodi|tunnus|salasana)",
  // Romance languages: the word for a code, then of what
  "(?:code|mot de passe)(?: \\p{L}+){0,2}? (?:de |d.)?(?:vérification|sécurité|confirmation|validation|connexion|accès|activation|unique|à usage unique)",
  "(?:código|codigo|clave|contraseña)(?: \\p{L}+){0,2}? (?:de |del? )?(?:verificación|verificacion|seguridad|confirmación|confirmacion|acceso|autenticación|activación|activacion|un solo uso|único)",
  "(?:código|codigo|senha)(?: \\p{L}+){0,2}? (?:de |do )?(?:verificação|verificacao|segurança|seguranca|confirmação|confirmacao|acesso|autenticação|ativação|uso único|único)",
  "(?:codice|password)(?: \\p{L}+){0,2}? (?:di |d.)?(?:verifica|sicurezza|conferma|accesso|autenticazione|attivazione|temporane[oa]|monouso)|codice otp",
  "cod(?:ul)?(?: \\p{L}+){0,2}? (?:de )?(?:verificare|confirmare|securitate|autentificare|activare)|codi de (?:verificació|seguretat)",
  // Slavic languages
  "kod(?:u|em)? (?:\\p{L}+ )?(?:weryfikac\\p{L}+|potwierdz\\p{L}+|bezpieczeństwa|autoryzac\\p{L}+|aktywac\\p{L}+|dostępu|jednorazow\\p{L}+|sms)|hasło (?:jednorazowe|sms)",
  "(?:ověřovací|potvrzovací|bezpečnostní|jednorázov\\p{L}+|autorizační|overovací|potvrdzovací|bezpečnostný) (?:kód|kod|heslo)",
  "(?:verifikacijski|potvrdni|sigurnosni|jednokratn\\p{L}+|kod za (?:potvrdu|verifikaciju|provjeru))(?: kod| lozinka)?",
  "код\\p{L}* (?:\\p{L}+ )?(?:подтверждени\\p{L}+|проверки|безопасности|доступа|активации|авторизации|входа|для входа|підтвердження|перевірки|за потвърждение)|(?:проверочный|одноразовый|перевірочний) (?:код|пароль)|одноразов\\p{L}+ парол\\p{L}+",
  // Greek, Turkish, Hungarian
  "κωδικ\\p{L}+ (?:επαλήθευσης|επιβεβαίωσης|ασφαλείας|πρόσβασης|μίας χρήσης)|(?:doğrulama|onay|güvenlik|giriş|tek kullanımlık|aktivasyon) (?:kod|şifre|parola)\\p{L}*|(?:ellenőrző|megerősítő|biztonsági|hitelesítő|egyszer használatos|belépési) ?(?:kód|jelszó)\\p{L}*",
  // East and South Asia
  "验证码|驗證碼|校验码|校驗碼|动态码|動態碼|动态密码|動態密碼|确认码|確認碼|安全码|安全碼|一次性密码|一次性密碼|認證碼",
  "認証(?:コード|番号)|確認(?:コード|番号)|検証コード|セキュリティコード|ワンタイム(?:パスワード|暗証番号)",
  "인증 ?(?:번호|코드)|확인 ?코드|보안 ?코드|승인 ?번호",
  "mã (?:xác (?:nhận|minh|thực)|otp|bảo mật|kích hoạt)|kode (?:verifikasi|otp|keamanan|konfirmasi|aktivasi)|kod (?:pengesahan|keselamatan)|รหัส ?(?:ยืนยัน|otp|ผ่าน|ความปลอดภัย)",
  "(?:सत्यापन|पुष्टि|सुरक्षा) (?:कोड|ओटीपी)|ओटीपी|যাচাইকরণ কোড|ওটিপি|توثیقی کوڈ",
  // Arabic, Persian, Hebrew
  "(?:رمز|كود) (?:التحقق|التأكيد|الأمان|التفعيل|الدخول|المرور لمرة واحدة)|کد (?:تایید|تأیید|فعال ?سازی|ورود)|رمز (?:یکبار مصرف|پویا)|קוד (?:ה?אימות|ה?אישור|ה?אבטחה|ה?כניסה|חד פעמי)",
].join("|");
const CODE_PHRASE = new RegExp(CODE_WORDS, "iu");
/** "Your code is 482913", "482913 is your Uber code", in the languages where such a sentence names no kind of code. */
const YOUR_CODE = new RegExp(
  [
    "\\byour (?:(?:[\\p{L}\\p{N}.]+ ){0,3})(?:code|pin)\\b(?: is|:|\\s*=)",
    "\\bis your (?:(?:[\\p{L}\\p{N}.]+ ){0,3})(?:code|pin)\\b",
    "\\b(?:dein|ihr)(?: [\\p{L}\\p{N}.-]+){0,2}[- ]code(?: lautet| ist|:)|ist (?:dein|ihr)(?: [\\p{L}\\p{N}.-]+){0,2}[- ]code",
    "\\b(?:votre|ton) code(?: [\\p{L}\\p{N}.]+){0,2}(?: est| ?:)|est (?:votre|ton) code|(?:tu|su) (?:código|codigo)(?: [\\p{L}\\p{N}.]+){0,3}(?: es| ?:)|es (?:tu|su) (?:código|codigo)",
    "(?:il tuo|il suo) codice(?: [\\p{L}\\p{N}.]+){0,2}(?: è| ?:)|è il (?:tuo|suo) codice|(?:o )?seu (?:código|codigo)(?: [\\p{L}\\p{N}.]+){0,2}(?: é| ?:)|é (?:o )?seu (?:código|codigo)",
    "(?:je|uw) (?:[\\p{L}\\p{N}.]+[- ])?code(?: voor [\\p{L}\\p{N}.]+)?(?: is| ?:)|is (?:je|uw) (?:[\\p{L}\\p{N}.]+[- ])?code|(?:twój|ваш|váš|din) (?:[\\p{L}\\p{N}.]+[- ]){0,2}(?:kod|код|kód|kode)|koden din (?:er|är)|(?:şifre|parola|kod)(?:niz|nız|unuz)(?: ?:|\\s)",
  ].join("|"),
  "iu",
);
/** What a friend's code opens. Such a code is answered like anything else that a friend writes. */
const DOOR_WORDS =
  /\b(?:door|gate|garage|building|lobby|house|flat|apartment|locker|lock ?box|alarm|wi-?fi|keypad|room|tür|tor|haus|garagen?|schloss|porte|portail|immeuble|puerta|portal|casa|portone|cancello|deur|poort|domofon\p{L}*)\b|玄関|ドア|鍵|ロッカー|门锁|門鎖|大门|大門|현관|문 ?비밀번호/iu;
const LONG_CODE = /(?:^|[^\p{N}])(?:\d{5,10}|\d{3}[- ]\d{3,4})(?!\p{N})/u;
/** The last line of a code that a browser may fill in: `@example.com #123456`. */
const BOUND_TO_SITE = /(?:^|\n)@[\p{L}\p{N}.-]+\.[\p{L}]{2,} #[\p{L}\p{N}-]{4,12}(?:\s|$)/u;
const KEEP_SECRET =
  /(?:do not|don.t|never) (?:share|give|forward|disclose)|(?:geben|gib) (?:sie )?.{0,40}nicht weiter|(?:teile|teilen) .{0,30}nicht|ne (?:le |la )?(?:partagez|communiquez|divulguez)|no (?:lo |la )?(?:compartas?|comparta)|non (?:condivider|comunicar|rivelar|inoltrar)\p{L}+|não (?:compartilhe|partilhe)|deel .{0,30}niet|nie udostępniaj|никому не сообщайте|не сообщайте|请勿(?:泄露|转发|告知)|切勿|他人に教えないで|타인에게/iu;
/** How long a code can be used, which only its maker says. */
const VALIDITY =
  /(?:valid|good) for \d+ ?min|expires? in \d+ ?min|(?:gültig|gilt) .{0,20}\d+ ?min|valable .{0,20}\d+ ?min|expire dans \d+|(?:válido|válida|caduca|expira|vence) .{0,20}\d+ ?min|(?:valido|valida|scade) .{0,20}\d+ ?min|geldig .{0,20}\d+ ?min|ważn\p{L}+ .{0,20}\d+ ?min|действи\p{L}+ .{0,20}\d+ ?мин|\d+ ?(?:分钟内|分鐘內|分以内|분 ?(?:이내|안에))/iu;
const CODE_NOUN = /\bcode\b|\bpin\b|código|codigo|codice|\bkode?\b|код|kód|码|碼|コード|번호/iu;

/** True where the code stands in a question: machines state their codes, people ask about them. */
function isAskedAbout(words: string): boolean {
  const code = CODE.exec(words);
  const [end] = /[.!?¿。！？\n]/.exec(words.slice((code?.index ?? 0) + (code?.[0].length ?? 0))) ?? [];
  return code !== null && (end === "?" || end === "？");
}

/** True for a text that brings a one-time code. */
export function isOneTimeCode(text: string): boolean {
  if (BOUND_TO_SITE.test(text)) return true;
  const words = text.normalize("NFC");
  if (isAskedAbout(words)) return false;
  const hasCode = CODE.test(words);
  if (!hasCode && !MIXED_CODE.test(words)) return false;
  if (CODE_PHRASE.test(words)) return true;
  if (!hasCode) return false;
  if ((KEEP_SECRET.test(words) || VALIDITY.test(words)) && CODE_NOUN.test(words)) return true;
  if (!YOUR_CODE.test(words) || DOOR_WORDS.test(words)) return false;
  return LONG_CODE.test(words) ||
    /\b(?:your|dein|ihr|votre|tu|su|seu|tuo|je|uw|ваш|twój) [A-Z]/iu.test(words) &&
      /\b\p{Lu}[\p{L}\p{N}]+(?: code|-code| kod)\b/u.test(words);
}

/** What the law makes companies add to a text that many people get, and how machines say that nobody reads answers. */
const MASS_MESSAGE = new RegExp(
  [
    "(?:reply|text|send|txt) [\"“']?(?:stop|end|unsubscribe|cancel|quit)\\b[\"”']?|\\bstop ?(?:2|to) (?:end|opt|stop|cancel|unsub|quit|\\d{4,6})|\\bstop=|opt[- ]?out:|to (?:opt[- ]?out|unsubscribe)\\b",
    "(?:msg|message|data)(?: ?(?:&|and) ?data)? rates may apply|std (?:msg|rates)",
    "this is an? (?:automated|automatic) (?:message|text|reply|notification)|(?:please )?do not reply to this|(?:this (?:number|mailbox|inbox) is )?not monitored|replies (?:to this (?:number|message) )?are not",
    "(?:abmeld\\p{L}*|abbestell\\p{L}*|keine weiteren) .{0,20}\\bstop\\b|\\bstop\\b (?:an|senden|antworten)|(?:antworten sie|antworte) (?:bitte )?nicht auf diese|dies ist eine automatische",
    "\\bstop (?:au|par sms|sms)\\b|désabonn\\p{L}+ .{0,20}stop|ne (?:pas )?répond(?:re|ez) (?:pas )?à ce|message automatique",
    "(?:responde|envía|envia|responda|envie) .{0,4}(?:stop|baja|parar|sair)\\b|no (?:responda|respondas) a este|não responda (?:a )?est|mensaje automático|mensagem automática",
    "(?:invia|rispondi) .{0,4}stop\\b|non rispondere a questo|messaggio automatico|(?:stuur|antwoord) .{0,4}stop\\b|niet (?:antwoorden|reageren) op dit|automatisch bericht",
    "退订|退訂|回T|拒收请回复|配信停止|수신거부|자동 ?발송",
  ].join("|"),
  "iu",
);

/** True for a text that machines send to many. */
export function isMassMessage(text: string): boolean {
  return MASS_MESSAGE.test(text);
}

/** True for a message that nobody wrote to be answered, by its sender or by its text. */
export function isAutomatedMessage({ senderId, text }: MessageSource): boolean {
  if (isAutomatedSender(senderId)) return true;
  return text !== null && (isOneTimeCode(text) || isMassMessage(text));
}

// Reactions: what Messages and Android phones write into an SMS when somebody taps one, in the language of that phone.

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
  "ha (?:(?:messo|aggiunto) .{1,24}? a|adorato|amato|apprezzato|riso (?:a|di|per)|trovato divertente|evidenziato|enfatizzato|dato enfasi a|dubitato di|messo in dubbio)|piace|(?:non|mi|gli|le) è piaciut[oa]|non piace|non ha (?:apprezzato|gradito)",
  // Dutch
  "(?:hartje|vindt) .{0,6}(?:leuk|geweldig)|vond .{0,8}leuk|lachte om|lacht om|benadrukte|benadrukt|zette een vraagteken bij|betwijfelde|gaf een hartje aan|vindt (?:niet )?leuk",
  // Nordic languages
  "älskade|gillade(?: inte)?|ogillade|skrattade åt|betonade|ifrågasatte|elsket|likte(?: ikke)?|lo av|understreket|stilte spørsmål ved|elskede|syntes (?:ikke )?godt om|grinede ad|lo ad|fremhævede|satte spørgsmålstegn ved|rakasti|tykkäsi|ei tykännyt|nauroi|korosti|kyseenalaisti",
  // Polish, Czech, Hungarian, Romanian
  "uwielbia|polubił\\(?a?\\)?|lubi|nie lubi|nie podoba się|(?:roz|za)?śmiał\\(?a?\\)? się z|roześmiał\\(?a?\\)? się z|wyróżnił\\(?a?\\)?|zakwestionował\\(?a?\\)?|zamiloval\\(?a?\\)? si|líbí se|nelíbí se|zasmál\\(?a?\\)? se|zdůraznil\\(?a?\\)?|zpochybnil\\(?a?\\)?|imádta|tetszett neki|nevetett ezen|kiemelte|megkérdőjelezte|a adorat|a apreciat|nu a apreciat|a râs la|a subliniat|a pus la îndoială",
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
  "を(?:「[^」]{1,12}」(?:と)?しました|強調しました|疑問に思いました|大好きと言いました|いいねしました|よくないねしました)|に(?:笑いました|疑問を持ちました)",
  "(?:을\\(를\\)|를\\(을\\)|을|를|에게|에)? ?(?:좋아(?:함|요|합니다|했습니다)|싫어(?:함|합니다|했습니다)|웃(?:음|습니다|었습니다)|강조(?:함|합니다|했습니다)|물음표|하트|사랑(?:함|합니다|했습니다)|공감(?:함|합니다|했습니다))(?:을|를)? ?(?:표시함|추가함|보냄|남김|표시했습니다|보냈습니다)?",
  "(?:ifadesine|mesajını|mesajına|ifadesini)? ?(?:bayıldı|beğendi|beğenmedi|güldü|vurguladı|sorguladı)",
  "leuk gevonden|hartje gegeven",
  "表示.{1,6}",
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
  `(?:对|對)\\s*${QUOTED}\\s*表示.{1,6}`,
  // Dutch writes the verb around the quoted message.
  `(?:vond|vindt)\\s*${QUOTED}\\s*(?:niet )?(?:leuk|geweldig|grappig|mooi)`,
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
