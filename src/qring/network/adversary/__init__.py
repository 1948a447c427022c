"""Adversaries, as values of the network.

``Network(adversary=Adversary(source=PlusState(aim=These((0,)))))`` puts an eavesdropper between
whoever makes GHZ copies and the workers who receive them. Everything about her is frozen data;
what she holds and sees while a protocol runs is a :class:`~qring.network.view.View` in its result.

*A source* (one a file here) is what she does to copies before they are received: it is asked for
each batch of copies and answers with those that she changed
(:class:`~qring.network.copies.Tampered`, sparse: copies she leaves alone cost nothing). It sees
the public history so far (:class:`~qring.network.adversary.base.Public`). *An aim* says which
copies: :class:`Every`, :class:`These`, :class:`RandomCopies`. *Dishonest nodes* (``nodes``) are
on her side: they tell her all they have, and announce whatever makes a test pass, after everybody
else. *An interceptor* (``online``) changes messages of a superdense ring: who supplies pairs
reads what they carry, and hands on what she likes.

A protocol that tests copies before using them works on a pool::

    copies = network.open(n, rng).copies(phase=Phase.SETUP)
    pool = copies.pool(count)            # shared and received
    pool = pool.shuffled(rng)            # public coins, drawn after receipt
    tested, data = pool.cut(tests)       # the first `tests` of the shuffled copies, and the rest
    verdict = tested.test_stabilisers(rng)       # or tested.test_z(rng)
    supply = data.supply()               # hand it to Ghz.open(run, supply), or:
    batch = copies.batch(total, words, supply)

and ``data.hash_phases(checks, rng)``, ``data.hash_amplitudes(checks, rng)`` run CNOT checks of
all of ``data`` at once, one for each copy of the pool ``checks``. A verdict holds what was tested,
what came out wrong, and the evidence. Pools are values: a test consumes its copies simply because
nobody keeps them. Nothing here costs memory a perfect copy, so pools of 10⁹ copies are fine.
"""
