"""How well classifiers distinguish drafts from real replies, and whose they take drafts for.

Reads a JSON object from standard input and writes one to standard output; `voice_metrics.ts` has both shapes.
"""

import json
import re
import sys

import numpy
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

FOLDS = 5
SHUFFLES = 5
BUNDLE = 10
BUNDLES = 200
VIEWS = ("surface", "masked", "all")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
EMOJI = re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF]|[:;=][-']?[()DPpOo3/\\|*]|<3")


def surface(text):
    """Thirteen numbers about how a reply looks, whatever it says."""
    words = WORD.findall(text)
    letters = [letter for letter in text if letter.isalpha()]
    return [
        numpy.log1p(len(text)),
        numpy.log1p(len(words)),
        sum(map(len, words)) / max(1, len(words)),
        float(not any(letter.isupper() for letter in letters)),
        float(bool(letters) and letters[0].islower()),
        float(bool(re.search(r"(?<!\.)\.$", text))),
        float(bool(re.search(r"[!?]$", text))),
        float(text.count("\n") + 1),
        float(bool(EMOJI.search(text))),
        text.count(",") / max(1, len(words)),
        text.count("!") / max(1, len(words)),
        float("..." in text or "…" in text),
        float(bool(re.search(r"([a-z])\1\1", text.lower()))),
    ]


def masked(text):
    """Keeps function words, punctuation and the shape of words; content is gone."""

    def shape(match):
        word = match.group()
        if word.lower() in ENGLISH_STOP_WORDS:
            return word
        return "X" if word.isupper() else "Xx" if word[0].isupper() else "x"

    return re.sub(r"\d+", "9", WORD.sub(shape, text))


class Features:
    """Turns texts into the features of a view; fitted on training texts alone."""

    def __init__(self, view, texts):
        self.view = view
        self.scaler = StandardScaler().fit([surface(text) for text in texts])
        characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, lowercase=False, sublinear_tf=True)
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"\S+", lowercase=False, sublinear_tf=True)
        prepare = masked if view == "masked" else str
        self.prepare = prepare
        prepared = [prepare(text) for text in texts]
        self.vectorizers = [] if view == "surface" else [characters.fit(prepared), words.fit(prepared)]

    def of(self, texts):
        looks = csr_matrix(self.scaler.transform([surface(text) for text in texts]))
        if self.view == "surface":
            return looks
        prepared = [self.prepare(text) for text in texts]
        parts = [vectorizer.transform(prepared) for vectorizer in self.vectorizers]
        return hstack(parts if self.view == "masked" else [0.1 * looks, *parts]).tocsr()


def auc(view, drafts, replies, draft_groups, reply_groups):
    """Area under the curve, folds dealt by conversation; None where there are too few conversations."""
    texts = numpy.array([*drafts, *replies], dtype=object)
    labels = numpy.array([1] * len(drafts) + [0] * len(replies))
    groups = numpy.array([*draft_groups, *reply_groups])
    folds = min(FOLDS, len(set(draft_groups)), len(set(reply_groups)))
    if folds < 2:
        return None
    areas, weights = [], []
    for seed in range(SHUFFLES):
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(texts, labels, groups)
        for train, test in splits:
            if len(set(labels[test])) < 2 or len(set(labels[train])) < 2:
                continue
            features = Features(view, texts[train])
            model = LogisticRegression(max_iter=1000).fit(features.of(texts[train]), labels[train])
            areas.append(roc_auc_score(labels[test], model.decision_function(features.of(texts[test]))))
            weights.append(len(test))
    return float(numpy.average(areas, weights=weights)) if areas else None


def detectability(person):
    real, conversations = person["real"], person["conversations"]
    arms = {
        name: {view: auc(view, drafts, real, conversations, conversations) for view in VIEWS}
        for name, drafts in person["arms"].items()
    }
    earlier, groups = person["earlier"], person["earlierConversations"]
    latest = slice(-len(real), None)
    drift = {view: auc(view, earlier[latest], real, groups[latest], conversations) for view in VIEWS}
    return {"arms": arms, "selfDrift": drift}


def attribution(people, others):
    """The share of bundles of ten that are given to the right person among all."""
    authors = [*people, *others]
    texts = [text for author in authors for text in author["earlier"]]
    owners = [index for index, author in enumerate(authors) for _ in author["earlier"]]
    features = Features("all", texts)
    model = LogisticRegression(max_iter=300, C=10, class_weight="balanced").fit(features.of(texts), owners)
    random = numpy.random.default_rng(1)

    def share(index, replies):
        logs = model.predict_log_proba(features.of(replies))
        draws = [random.choice(len(replies), BUNDLE, replace=False) for _ in range(BUNDLES)]
        return float(numpy.mean([logs[draw].sum(axis=0).argmax() == index for draw in draws]))

    return [
        {
            "real": share(index, person["real"]),
            "arms": {name: share(index, drafts) for name, drafts in person["arms"].items()},
        }
        for index, person in enumerate(people)
    ]


def runs(text, length):
    words = text.lower().split()
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


def overlap(person):
    """Words of the longest run that a draft shares with a reply it was trained on: the mean over drafts, and the most."""
    most_words = max(len(text.split()) for text in person["earlier"])
    known = [set.union(*(runs(text, length) for text in person["earlier"])) for length in range(1, most_words + 1)]

    def longest(text):
        return max((length for length, seen in enumerate(known, 1) if runs(text, length) & seen), default=0)

    def figures(replies):
        lengths = [longest(reply) for reply in replies]
        return {"mean": float(numpy.mean(lengths)), "most": int(max(lengths))}

    return {"real": figures(person["real"]), "arms": {name: figures(drafts) for name, drafts in person["arms"].items()}}


def main():
    given = json.load(sys.stdin)
    people = given["people"]
    placed = attribution(people, given["others"]) if given["others"] else [None] * len(people)
    json.dump(
        [
            {"id": person["id"], **detectability(person), "attribution": place, "overlap": overlap(person)}
            for person, place in zip(people, placed)
        ],
        sys.stdout,
    )


main()
