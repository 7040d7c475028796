"""Cards: what is known of each indicator of a list, told as soon as its answers are there, before any graph is made.

    cache, graph ─▶ Knowledge (before) ─┐
    fetch ─ each reply, mapped ─────────┴▶ Knowledge ─ judgement, ties across the list, what is new ─▶ Card

knowledge   what is known of one indicator, as the graph says it; `replies`: as kept replies do
card        the card of one indicator; its JSON form
looking     asking about a list, and handing out each card when its last answer is there; the one that needs a network
"""
