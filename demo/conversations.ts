/** The demo's people and conversations, all invented. */
import type { DemoPerson, ScriptedConversation } from "./sample_script.ts";

/** The owner of the sample Mac. */
export const OWNER = {
  firstName: "Sam",
  lastName: "Okafor",
  handle: "+12025550100",
  email: "sam@okafor.example",
};

/** The people in the address book; the courier is not in it, having no first name. */
export const PEOPLE: DemoPerson[] = [
  { key: "maya", firstName: "Maya", lastName: "Lindqvist", handle: "+12025550143" },
  { key: "oma", firstName: "Oma", lastName: "Renate", handle: "+4915155501234" },
  { key: "priya", firstName: "Priya", lastName: "Raman", handle: "priya.raman@northbridge.example" },
  { key: "leo", firstName: "Leo", handle: "+12025550177" },
  { key: "tess", firstName: "Tess", lastName: "Moreau", handle: "+12025550188" },
  { key: "jordan", firstName: "Jordan", lastName: "Pike", handle: "+12025550119" },
  { key: "landlord", firstName: "Hector", lastName: "Alvarez", handle: "+12025550162" },
  { key: "courier", firstName: "", handle: "+12025550191" },
];

export const CONVERSATIONS: ScriptedConversation[] = [
  {
    with: ["maya"],
    endedMinutesAgo: 3,
    realReply: "yesss omw, save me a seat",
    script: `
      maya: ok i finally watched it
      maya: the ending?????
      me: KNEW you'd love it
      me: i didnt sleep
      maya: im still not over the dog {love: me}
      me: the dog was the whole plot tbh
      (+1d) maya: concert sat?
      me: depends who
      maya: that band from the coffee place
      maya: free if we get there by 8
      me: ok im in {like: maya}
      (+4h) maya: saved you a ticket
      maya: also leo might come
      me: leo?? he hates loud
      maya: he has earplugs now lol {laugh: me}
      (+3h) maya: doors are open
      maya: u coming??`,
  },
  {
    with: ["oma"],
    endedMinutesAgo: 12,
    realReply: "Ja gerne Oma! Ich komme am Sonntag und bringe Kuchen mit 😊",
    script: `
      oma: Lieber Sam, hier ist Oma. Ich habe jetzt ein neues Telefon.
      me: Hallo Oma! Toll, klappt ja super 😊
      oma: Die Buchstaben sind etwas klein.
      me: Das kann man größer stellen, ich zeige es dir am Wochenende
      oma: Das wäre schön. Opa lässt grüßen. {love: me}
      me: Grüße zurück!! Wie geht es seinem Knie?
      oma: Besser, danke. Er war heute wieder im Garten.
      oma: Die Tomaten sind fast reif. {picture}
      me: Die sehen ja riesig aus
      (+1d) oma: Kommst du am Sonntag zum Kaffee?`,
  },
  {
    with: ["priya"],
    endedMinutesAgo: 25,
    realReply: "Yes, that works. I'll send the slides over before 5.",
    script: `
      priya: Hi Sam, thanks for jumping in on the review yesterday.
      me: Of course, glad it helped.
      priya: The client liked the second option. They asked for one more round on the pricing page.
      me: Makes sense. I can take that one, I still have the figures open.
      priya: Perfect. Could you also check the numbers on slide 7? {edited: Could you also check slide 7?}
      me: Will do, I think the Q3 total is off by one row.
      priya: Good catch. {like: me}
      (+2h) priya: They moved the call to Thursday at 10. Can you have the deck ready by tomorrow evening?`,
  },
  {
    with: ["leo", "tess", "jordan"],
    groupName: "Thursday climbers",
    endedMinutesAgo: 40,
    realReply: "me! can drive, leaving 5:30",
    script: `
      tess: who's in for thursday
      jordan: in
      leo: in but my shoulder is weird so only easy stuff
      me: in, need to finish the blue one or i'll never sleep
      tess: the blue one is evil {laugh: me}
      jordan: sam you were SO close last week
      me: one move. ONE move
      leo: ill film it this time {laugh: tess}
      (+1d) tess: gym closes early thursday btw
      tess: we should meet at 6 instead of 7
      jordan: works for me
      leo: same
      jordan: who can drive?`,
  },
  {
    service: "SMS",
    with: ["landlord"],
    endedMinutesAgo: 95,
    realReply: "Thank you, Tuesday morning works. I'll be home until 11.",
    script: `
      me: Hello Mr Alvarez, the kitchen tap is dripping again. Could someone have a look?
      landlord: Good morning. I am sorry to hear that. Is it the hot or the cold side?
      me: The hot side, mostly at night.
      landlord: Understood. I will call the plumber today.
      me: Thank you, much appreciated.
      (+1d) landlord: The plumber can come on Tuesday between 9 and 11. Will you be at home?`,
  },
  {
    service: "SMS",
    with: ["courier"],
    endedMinutesAgo: 170,
    realReply: "By the blue door please, thanks!",
    script: `
      courier: Hi, I have a parcel for Okafor. Nobody answers at the door.
      me: sorry! buzzer is broken, 2 min
      courier: I can only wait a moment. Where should I leave it?`,
  },
];
