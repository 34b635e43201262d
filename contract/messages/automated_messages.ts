/** Recognises messages that no person wrote to be answered: one-time codes, and what companies send by machine. */

/** What a message is judged by. */
export interface MessageSource {
  /** Handle of the sender as Messages has it. */
  readonly senderId: string | null;
  readonly text: string | null;
}

/** Short codes; shorter than any telephone number that a person writes from. */
const SHORT_CODE = /^\+?\d{3,6}$/;
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
  return SHORT_CODE.test(sender) || BUSINESS_URN.test(sender) || SENDER_NAME.test(sender);
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
  "kod(?:u|em)? (?:\\p{L}+ )?(?:weryfikac\\p{L}+|potwierdz\\p{L}+|bezpieczeństwa|autoryzac\\p{L}+|aktywac\\p{L}+|dostępu|jednorazow\\p{L}+|sms)|hasło jednorazowe",
  "(?:ověřovací|potvrzovací|bezpečnostní|jednorázov\\p{L}+|autorizační|overovací|potvrdzovací|bezpečnostný) (?:kód|kod|heslo)",
  "(?:verifikacijski|potvrdni|sigurnosni|jednokratn\\p{L}+|kod za (?:potvrdu|verifikaciju|provjeru))(?: kod| lozinka)?",
  "код\\p{L}* (?:\\p{L}+ )?(?:подтверждени\\p{L}+|проверки|безопасности|доступа|активации|авторизации|входа|для входа|підтвердження|перевірки|за потвърждение)|(?:проверочный|одноразовый|перевірочний) (?:код|пароль)|одноразов\\p{L}+ парол\\p{L}+",
  // Greek, Turkish, Hungarian
  "κωδικ\\p{L}+ (?:επαλήθευσης|επιβεβαίωσης|ασφαλείας|πρόσβασης|μίας χρήσης)|(?:doğrulama|onay|güvenlik|giriş|tek kullanımlık|aktivasyon) (?:kod|şifre|parola)\\p{L}*|(?:ellenőrző|megerősítő|biztonsági|hitelesítő|egyszer használatos|belépési) ?(?:kód|jelszó)\\p{L}*",
  // East and South Asia
  "验证码|驗證碼|校验码|校驗碼|动态码|動態碼|动态密码|動態密碼|确认码|確認碼|安全码|安全碼|一次性密码|一次性密碼|認證碼",
  "認証(?:コード|番号)|確認(?:コード|番号)|検証コード|セキュリティコード|ワンタイムパスワード|暗証番号",
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
    "\\b(?:votre|ton) code(?: [\\p{L}\\p{N}.]+){0,2} (?:est|:)|est (?:votre|ton) code|(?:tu|su) (?:código|codigo)(?: [\\p{L}\\p{N}.]+){0,3} es|es (?:tu|su) (?:código|codigo)",
    "(?:il tuo|il suo) codice(?: [\\p{L}\\p{N}.]+){0,2} è|è il (?:tuo|suo) codice|(?:o )?seu (?:código|codigo)(?: [\\p{L}\\p{N}.]+){0,2} é|é (?:o )?seu (?:código|codigo)",
    "(?:je|uw) (?:[\\p{L}\\p{N}.]+[- ])?code is|is (?:je|uw) (?:[\\p{L}\\p{N}.]+[- ])?code|(?:twój|ваш|váš|din) (?:[\\p{L}\\p{N}.]+[- ]){0,2}(?:kod|код|kód|kode)",
  ].join("|"),
  "iu",
);
/** What a friend's code opens. Such a code is answered like anything else that a friend writes. */
const DOOR_WORDS =
  /\b(?:door|gate|garage|building|lobby|house|flat|apartment|locker|lock ?box|alarm|wi-?fi|keypad|room|tür|tor|haus|garagen?|schloss|porte|portail|immeuble|puerta|portal|casa|portone|cancello|deur|poort|domofon\p{L}*)\b/iu;
const LONG_CODE = /(?:^|[^\p{N}])(?:\d{5,10}|\d{3}[- ]\d{3,4})(?!\p{N})/u;
/** The last line of a code that a browser may fill in: `@example.com #123456`. */
const BOUND_TO_SITE = /(?:^|\n)@[\p{L}\p{N}.-]+\.[\p{L}]{2,} #[\p{L}\p{N}-]{4,12}(?:\s|$)/u;
const KEEP_SECRET =
  /(?:do not|don.t|never) (?:share|give|forward|disclose)|(?:geben|gib) (?:sie )?.{0,40}nicht weiter|(?:teile|teilen) .{0,30}nicht|ne (?:le |la )?(?:partagez|communiquez|divulguez)|no (?:lo |la )?(?:compartas?|comparta)|non (?:condividere|comunicare)|não (?:compartilhe|partilhe)|deel .{0,30}niet|nie udostępniaj|никому не сообщайте|не сообщайте|请勿(?:泄露|转发|告知)|切勿|他人に教えないで|타인에게/iu;
const CODE_NOUN = /\bcode\b|\bpin\b|código|codigo|codice|\bkode?\b|код|kód|码|碼|コード|번호/iu;

/** True for a text that brings a one-time code. */
export function isOneTimeCode(text: string): boolean {
  if (BOUND_TO_SITE.test(text)) return true;
  const words = text.normalize("NFC");
  const hasCode = CODE.test(words);
  if (!hasCode && !MIXED_CODE.test(words)) return false;
  if (CODE_PHRASE.test(words)) return true;
  if (!hasCode) return false;
  if (KEEP_SECRET.test(words) && CODE_NOUN.test(words)) return true;
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
