/** Owns where the tools lie that training is measured against. */
import { join } from "node:path";
import { projectPath } from "../../tools/service_process.ts";

/** Git ignores it. */
export const PEERS_DIR = projectPath("data/peers");
/** The Python that has PyTorch, transformers and PEFT. */
export const PEFT_PYTHON = join(PEERS_DIR, "peft/bin/python");
export const PEFT_SCRIPT = projectPath("bench/peers/peft_peer.py");
/** llama.cpp's own training of all weights. */
export const FINETUNE = join(PEERS_DIR, "llama.cpp/build/bin/llama-finetune");
