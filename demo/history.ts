/** What the owner of the demo's sample Mac wrote before: enough replies to learn from. All invented. */
import type { DemoPerson, EarlierConversation } from "./sample_script.ts";

/** Who is in the history alone. */
export const FAMILY: DemoPerson[] = [
  { key: "nina", firstName: "Nina", lastName: "Okafor", handle: "+12025550107" },
];

/** Answered to the last message, so that no draft is made in them. */
export const HISTORY: EarlierConversation[] = [
  {
    with: ["leo"],
    endedMinutesAgo: 1_500,
    script: `
      leo: you up
      me: barely lol
      leo: coffee before work?
      me: yesss
      me: the usual place?
      leo: yeah 10 min
      me: omw
      (+1d) leo: did you see the score last night
      me: nooo dont tell me
      leo: too late it was everywhere
      me: ughh ok who won
      leo: not us
      me: figures lol
      (+1d) leo: can i borrow your drill
      me: sure its in the hall
      leo: you home at 6?
      me: 6:30 prob
      leo: works
      me: ok cool
      (+2d) leo: the drill died
      me: lol what did you do
      leo: nothing i swear
      me: suuure
      leo: ill get you a new battery
      me: nah its old anyway
      (+1d) leo: movie tonight?
      me: depends which one
      leo: the space one
      me: ok im in
      leo: 8 or 10
      me: 8, i get sleepy
      leo: grandpa
      me: haha rude
      me: true tho
      (+2d) leo: new gym shoes came
      me: ooh pics
      leo: theyre too small
      me: noooo
      leo: sending them back
      me: get the wide ones tbh
      (+1d) leo: my shoulder hates me
      me: ice it, no climbing til sat
      leo: yes mom
      me: im serious lol
      leo: ok ok
      me: gooood
      (+1d) leo: whats that noodle place called
      me: the one by the bridge?
      leo: yeah
      me: no idea but its the green door
      leo: helpful
      me: always lol
      (+2d) leo: are you driving to the lake
      me: yep leaving at 9
      leo: room for one more?
      me: always
      me: bring snacks tho
      leo: what kind
      me: the salty ones obv
      (+1d) leo: that was such a good day
      me: sooo good
      leo: im so sunburnt
      me: called it haha
      leo: again next month?
      me: yesss im in`,
  },
  {
    with: ["tess"],
    endedMinutesAgo: 2_900,
    script: `
      tess: hey are you around this weekend
      me: sat yes, sun no
      tess: market on saturday?
      me: ooh yes
      tess: 10ish?
      me: make it 11 lol
      tess: deal
      me: yay
      (+2d) tess: running 5 late
      me: no rush, got us a table
      tess: ur the best
      me: i know haha
      (+1d) tess: how did the interview go
      me: ok i think?? hard to tell
      tess: what did they ask
      me: sooo many questions about money lol
      tess: when do you hear back
      me: friday hopefully
      tess: fingers crossed
      me: thx im nervous tbh
      (+3d) tess: AND??
      me: got it!!!
      tess: AAAA im so happy for you
      me: thank youuu
      me: still shaking lol
      tess: drinks tonight
      me: yesss on me
      (+2d) tess: my cat ate a plant
      me: omg is she ok
      tess: vet says yes
      me: phew
      tess: she looks so smug
      me: of course she does lol
      (+1d) tess: do you still have my blue jacket
      me: maybe?? let me look
      tess: its the one with the hole
      me: yep found it, sorry lol
      tess: bring it thursday?
      me: will do
      (+2d) tess: is it weird to text him first
      me: nah just do it
      tess: what do i say
      me: say hi lol
      tess: groundbreaking
      me: works every time haha
      (+1d) tess: he answered!!
      me: knew it!!
      tess: dinner on friday aaaa
      me: yesss wear the green one
      (+3d) tess: ok that was a disaster
      me: nooo what happened
      tess: he talked about his boat for 2 hours
      me: haha not the boat
      tess: i know all the knots now
      me: useful for climbing tho lol
      tess: i hate you
      me: love you too
      (+1d) tess: whats a good book
      me: the one with the lighthouse tbh
      tess: is it sad
      me: a little, you'll cry
      tess: perfect
      me: lol ok ill bring it`,
  },
  {
    with: ["jordan"],
    endedMinutesAgo: 4_400,
    script: `
      jordan: yo what time is climbing
      me: 7 like always lol
      jordan: my bad
      me: haha np
      (+1d) jordan: forgot my chalk
      me: got extra
      jordan: lifesaver
      me: you owe me tho
      jordan: name your price
      me: one taco
      jordan: done
      me: yesss
      (+2d) jordan: dude the blue route
      me: i know!!! so close
      jordan: you had it
      me: my hand just opened, so dumb
      jordan: next week for sure
      me: for sure
      (+1d) jordan: you watching the game
      me: in 20, still cooking
      jordan: what are you making
      me: burnt rice lol
      jordan: classic
      me: its a gift
      (+2d) jordan: can you help me move a couch
      me: ugh fine
      jordan: there will be pizza
      me: ok im in
      jordan: saturday noon
      me: cool, second floor or what
      jordan: fourth
      me: two pizzas then
      jordan: deal
      me: haha ok
      (+2d) jordan: my back is broken
      me: same lol
      jordan: couch looks great tho
      me: it better
      (+1d) jordan: is the gym open monday
      me: think so, till 8
      jordan: holiday hours?
      me: oh true, ill check
      jordan: thx
      me: opens at 10, all good
      (+3d) jordan: got tickets for the thing
      me: whaaat how many
      jordan: 3
      me: am i one of them
      jordan: obviously
      me: yesss best day
      jordan: leo is the third
      me: he'll need earplugs lol
      (+1d) jordan: train or car
      me: train, i want a beer
      jordan: smart
      me: always lol
      (+1d) jordan: you alive
      me: barely haha
      jordan: that last song tho
      me: sooo loud
      me: loved it`,
  },
  {
    with: ["nina"],
    endedMinutesAgo: 700,
    script: `
      nina: did you call mum
      me: not yet, tonight
      nina: she asks every day
      me: i knowww sorry
      (+1d) nina: did you
      me: yep 40 min lol
      nina: good boy
      me: she talked about the neighbours dog again
      nina: haha me too
      me: poor dog tbh
      (+2d) nina: what do we get dad
      me: no idea, socks lol
      nina: be serious
      me: ok the radio he keeps looking at
      nina: oh thats good
      me: i have my moments
      nina: half half?
      me: sure, you order it
      (+1d) nina: ordered
      me: yay thx
      nina: you owe me 40
      me: sent it
      nina: got it
      me: cool
      (+3d) nina: can you take the kids on friday
      me: yesss
      nina: really?
      me: of course, til when
      nina: 9?
      me: np, we'll do pancakes
      nina: they will love you
      me: thats the plan haha
      (+2d) nina: how are they
      me: sooo much energy
      nina: did they eat
      me: like 12 pancakes lol
      nina: oh no
      me: its fine, theyre asleep now
      nina: youre magic
      me: just tired haha
      (+2d) nina: i got the flat!!!
      me: WHAT yesss
      nina: moving in june
      me: so happy for you!!
      nina: will you help carry
      me: ugh my back but yes lol
      nina: there is a lift
      me: oh then def yes
      (+1d) nina: which colour for the kitchen
      me: not yellow pls
      nina: green?
      me: ooh yes green
      nina: dark or light
      me: light, its a small room
      nina: ok you win
      me: always haha
      (+2d) nina: sunday at oma's?
      me: yep im bringing cake
      nina: the good one?
      me: obv
      nina: ill drive
      me: perf, pick me up at 2
      nina: dont be late
      me: me?? never lol`,
  },
];
