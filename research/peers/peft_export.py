"""Reads an exported adapter with PEFT and rates replies with it.

    data/peers/peft/bin/python research/peers/peft_export.py --model MODEL.gguf --cache FOLDER --adapter FOLDER --samples SAMPLES.json

SAMPLES.json is a list of {"prompt": [token ids], "reply": [token ids]}. Prints {"base": [...], "adapted": [...]}: the natural
logarithm of each reply's probability, of the model alone and with the adapter, in 32-bit floats.
"""

import argparse
import json
import os


def log_likelihoods(model, samples):
    import torch

    values = []
    with torch.no_grad():
        for sample in samples:
            prompt, reply = sample["prompt"], sample["reply"]
            logits = model(input_ids=torch.tensor([prompt + reply])).logits[0]
            logs = torch.log_softmax(logits[len(prompt) - 1 : -1].double(), dim=-1)
            values.append(logs.gather(1, torch.tensor(reply).unsqueeze(1)).sum().item())
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "cache", "adapter", "samples"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    from peft_peer import converted_model

    folder = converted_model(arguments)
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    with open(arguments.samples) as file:
        samples = json.load(file)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    before = log_likelihoods(base, samples)
    adapted = peft.PeftModel.from_pretrained(base, arguments.adapter).eval()
    print(json.dumps({"base": before, "adapted": log_likelihoods(adapted, samples)}))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    main()
