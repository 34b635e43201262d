"""The peer of our trainer: LoRA with PyTorch, transformers and PEFT, on the same samples with the same settings.

    data/peers/peft/bin/python research/peers/peft_peer.py --model MODEL.gguf --job JOB.json [--NAME VALUE ...]

`research/peers/setup.ts` makes that environment. The base model is converted once, from the same GGUF file, into
`--cache` (default `data/peers/models`), so that a run starts as one from a downloaded model does; without --job
nothing else is done.

JOB.json holds token ids, never text:

    {
      "train":   [{"prompt": [1, 2], "reply": [3, 4], "weight": 1}, ...],
      "heldOut": [{"prompt": [...],  "reply": [...]}, ...],
      "orders":  [[3, 0, 1, ...], ...],          optional: the samples' order, by epoch; otherwise shuffled by seed
      "settings": {...}                          optional: any of DEFAULTS below, which the command line overrides
    }

The loss is over the reply's tokens alone, all of them: the mean over a batch, each token by its sample's weight. The
rate of step i (from 0) is `learningRate * i / warmupSteps` while i < warmupSteps, then constant or the half cosine
down to 0 at the last step: transformers' own schedules.

Prints a JSON object a line:

    {"event": "loaded", "seconds", "rssBytes", "parameters"}
    {"event": "evaluation", "step", "epoch", "heldOutLoss", "trainLoss", "seconds", "trainingSeconds",
     "tokensPerSecond"}                          before the first step, after each epoch, and every evaluateSteps
    {"event": "done", "seconds", "trainingSeconds", "tokensPerSecond", "peakRssBytes", "importedRssBytes",
     "settings", "versions"}

`seconds` count from the process's start, all in. `trainingSeconds` count the steps alone: without imports, load and
evaluations. `tokensPerSecond` is over trainingSeconds, prompts and replies. Losses are natural logarithms, a token.
"""

import argparse
import json
import math
import os
import random
import sys
import time

DEFAULTS = {
    "dtype": "bfloat16",  # or float32
    "batchSize": 8,
    "microBatch": 0,  # samples computed at a time; 0 computes the whole batch at once
    "epochs": 3,
    "learningRate": 3e-4,
    "schedule": "cosine",  # or constant
    "warmupSteps": 5,
    "rank": 8,
    "alpha": 16,
    "dropout": 0.0,
    "targets": "q_proj k_proj v_proj o_proj",
    "layers": 0,  # only the upper so many; 0 trains all
    "weightDecay": 0.0,
    "maxGradientNorm": 1.0,
    "seed": 1,
    "threads": 2,
    "evaluateSteps": 0,  # also evaluate every so many steps; 0 after epochs only
    "replyLogits": 0,  # 1 computes the logits of the reply's rows alone, which stock PEFT does not
}


def seconds_since_process_start():
    with open("/proc/self/stat") as file:
        start_ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime") as file:
        return float(file.read().split()[0]) - start_ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":"))


def emit(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--job")
    parser.add_argument("--cache", default="data/peers/models")
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=type(default))
    arguments = parser.parse_args()
    job = {}
    if arguments.job:
        with open(arguments.job) as file:
            job = json.load(file)
    given = {name: value for name in DEFAULTS if (value := getattr(arguments, name)) is not None}
    settings = {**DEFAULTS, **job.get("settings", {}), **given}
    unknown = set(settings) - set(DEFAULTS)
    if unknown:
        sys.exit(f"unknown settings: {', '.join(sorted(unknown))}")
    return arguments, job, settings


def converted_model(arguments):
    """The folder of the base model as transformers has it; made in a process of its own, which takes memory."""
    name = os.path.basename(arguments.model)
    folder = os.path.join(arguments.cache, name.removesuffix(".gguf") + "-f32")
    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        child = os.fork()
        if child == 0:
            import torch
            from transformers import AutoModelForCausalLM

            source = AutoModelForCausalLM.from_pretrained(
                os.path.dirname(os.path.abspath(arguments.model)), gguf_file=name, dtype=torch.float32
            )
            # What came from a GGUF file counts as quantised and would not be saved.
            del source.config.quantization_config
            plain = AutoModelForCausalLM.from_config(source.config, dtype=torch.float32)
            plain.load_state_dict(source.state_dict())
            plain.save_pretrained(folder)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit("the model could not be converted")
    return folder


class Peer:
    def __init__(self, folder, settings):
        import peft
        import torch
        import transformers

        self.torch, self.settings = torch, settings
        self.versions = {module.__name__: module.__version__ for module in (torch, transformers, peft)}
        self.imported_bytes = memory_bytes("VmRSS")
        torch.set_num_threads(settings["threads"])
        torch.manual_seed(settings["seed"])
        base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, settings["dtype"]))
        base.config.use_cache = False
        count = base.config.num_hidden_layers
        layers = list(range(count - settings["layers"], count)) if settings["layers"] else None
        config = peft.LoraConfig(
            r=settings["rank"],
            lora_alpha=settings["alpha"],
            lora_dropout=settings["dropout"],
            target_modules=settings["targets"].split(),
            layers_to_transform=layers,
            task_type="CAUSAL_LM",
        )
        self.model = peft.get_peft_model(base, config)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings["learningRate"], weight_decay=settings["weightDecay"]
        )

    def schedule(self, steps):
        from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup

        warmup = self.settings["warmupSteps"]
        if self.settings["schedule"] == "constant":
            return get_constant_schedule_with_warmup(self.optimizer, warmup)
        return get_cosine_schedule_with_warmup(self.optimizer, warmup, steps)

    def token_losses(self, samples):
        """Negative log-probabilities of all reply tokens, and the weight of each."""
        torch = self.torch
        sequences = [sample["prompt"] + sample["reply"] for sample in samples]
        length = max(map(len, sequences))
        ids = torch.zeros((len(samples), length), dtype=torch.long)
        mask = torch.zeros((len(samples), length), dtype=torch.long)
        weights = torch.zeros((len(samples), length - 1))
        for row, (sample, sequence) in enumerate(zip(samples, sequences)):
            ids[row, : len(sequence)] = torch.tensor(sequence)
            mask[row, : len(sequence)] = 1
            weights[row, len(sample["prompt"]) - 1 : len(sequence) - 1] = sample.get("weight", 1)
        wanted = weights > 0
        if self.settings["replyLogits"]:
            causal = self.model.get_base_model()
            hidden = causal.model(input_ids=ids, attention_mask=mask).last_hidden_state
            logits = causal.lm_head(hidden[:, :-1][wanted])
        else:
            logits = self.model(input_ids=ids, attention_mask=mask).logits[:, :-1][wanted]
        losses = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="none")
        return losses, weights[wanted]

    def step(self, batch):
        """One optimiser step. Returns the batch's loss before it."""
        total = sum(sample.get("weight", 1) * len(sample["reply"]) for sample in batch)
        size = self.settings["microBatch"] or len(batch)
        loss = 0.0
        for start in range(0, len(batch), size):
            losses, weights = self.token_losses(batch[start : start + size])
            part = (losses * weights).sum() / total
            part.backward()
            loss += part.item()
        self.torch.nn.utils.clip_grad_norm_(self.parameters, self.settings["maxGradientNorm"])
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def evaluate(self, samples):
        ordered = sorted(samples, key=lambda sample: len(sample["prompt"]) + len(sample["reply"]))
        size = self.settings["batchSize"]
        self.model.eval()
        with self.torch.no_grad():
            losses = [
                self.token_losses([{**sample, "weight": 1} for sample in ordered[start : start + size]])[0]
                for start in range(0, len(ordered), size)
            ]
        self.model.train()
        return self.torch.cat(losses).mean().item() if losses else math.nan


def orders(job, settings):
    """The samples' order for each epoch."""
    if "orders" in job:
        return job["orders"]
    shuffler = random.Random(settings["seed"])
    return [shuffler.sample(range(len(job["train"])), len(job["train"])) for _ in range(settings["epochs"])]


def train(peer, job, settings):
    size = settings["batchSize"]
    train_orders = orders(job, settings)[: settings["epochs"]]
    batches = [
        (epoch, order[start : start + size])
        for epoch, order in enumerate(train_orders)
        for start in range(0, len(order), size)
    ]
    schedule = peer.schedule(len(batches))
    clock = {"seconds": 0.0, "tokens": 0}

    def report(step, epoch, losses):
        held_out = peer.evaluate(job["heldOut"])
        emit(
            "evaluation",
            step=step,
            epoch=epoch,
            heldOutLoss=held_out,
            trainLoss=sum(losses) / len(losses) if losses else None,
            seconds=seconds_since_process_start(),
            trainingSeconds=clock["seconds"],
            tokensPerSecond=clock["tokens"] / clock["seconds"] if clock["seconds"] else None,
        )

    report(0, 0, [])
    peer.model.train()
    losses = []
    for step, (epoch, indices) in enumerate(batches, 1):
        batch = [job["train"][index] for index in indices]
        started = time.perf_counter()
        losses.append(peer.step(batch))
        schedule.step()
        clock["seconds"] += time.perf_counter() - started
        clock["tokens"] += sum(len(sample["prompt"]) + len(sample["reply"]) for sample in batch)
        ends_epoch = step == len(batches) or batches[step][0] != epoch
        if ends_epoch or (settings["evaluateSteps"] and step % settings["evaluateSteps"] == 0):
            report(step, (epoch + 1) if ends_epoch else step * size / max(1, len(job["train"])), losses)
            losses = []
    return clock


def main():
    arguments, job, settings = parse_arguments()
    folder = converted_model(arguments)
    if not job:
        return
    peer = Peer(folder, settings)
    emit(
        "loaded",
        seconds=seconds_since_process_start(),
        rssBytes=memory_bytes("VmRSS"),
        parameters=sum(p.numel() for p in peer.parameters),
    )
    clock = train(peer, job, settings)
    emit(
        "done",
        seconds=seconds_since_process_start(),
        trainingSeconds=clock["seconds"],
        tokensPerSecond=clock["tokens"] / clock["seconds"],
        peakRssBytes=memory_bytes("VmHWM"),
        importedRssBytes=peer.imported_bytes,
        settings=settings,
        versions=peer.versions,
    )


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["PYTHONWARNINGS"] = "ignore"
    main()
