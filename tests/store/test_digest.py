from dars_sklearn.store._digest import digest


def test_a_digest_depends_on_the_texts_and_on_their_boundaries():
    digests = [digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", ""), digest()]
    assert len(set(digests)) == len(digests)
    assert digest("ab", "c") == digests[0]
    assert {len(value) for value in digests} == {16}


def test_digests_are_the_same_in_every_release():
    # Stores contain digests: another algorithm would request everything again.
    assert digest("a", "b").hex() == "4fc56058b4df0ca122be9a2e429541d6"


def test_any_text_has_a_digest():
    assert digest("\ud800") != digest("\ud801")
