from dars_sklearn.store import Store


def test_entries_are_returned_in_their_order_after_another_one():
    with Store(None) as store:
        backend = store.register_backend("m", {}).id
        first, second = store.register_requests(backend, [b"1", b"2"], ["one", "two"])
        assert store.ledger.entries_after(0) == []
        store.ledger.add(first, 2.5)
        store.ledger.add(second, 0.0, unpriced=3)
        store.ledger.add(first, -1.0)
        assert store.ledger.entries_after(0) == [
            (1, first, 2.5, 0),
            (2, second, 0.0, 3),
            (3, first, -1.0, 0),
        ]
        assert store.ledger.entries_after(2) == [(3, first, -1.0, 0)]
        assert store.ledger.entries_after(3) == []
