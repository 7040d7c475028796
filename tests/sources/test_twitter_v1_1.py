"""Twitter v1.1: what kept replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

import pytest
from replies import edge, fixture, node, told

YOU, TWEET = "TwitterUser ", "Tweet "


def test_followers_with_their_last_tweets() -> None:
    found = told(
        "twitter_v1_1", "followers-list", "TweepyDev",
        fixture("twitter_v1_1/followers-list/TweepyDev__tweepy_testgetfollowers.json"),
    )  # fmt: skip
    jessica, harmon, hamza = YOU + "jessicagarson", YOU + "harmon758", YOU + "oihamza"
    talent, lee = TWEET + "1359246149476098053", TWEET + "1250418080829898752"
    assert found.rejects == set()
    assert found.nodes == {
        node(
            jessica,
            user_id="15772978",
            name="Jessica Garson",
            location="Brooklyn, NY",
            description="Developer Advocate @Twitter. Python programmer.  Noted thought leader on vegan snacks. "
            "Makes music as Messica Arson.",
            created="2008-08-08T02:16:23Z",
        ),
        node(harmon, user_id="145336962", name="Harmon", created="2010-05-18T18:31:35Z"),
        node(hamza, user_id="176425492"),
        node(YOU + "wired", user_id="1344951"),
        node(talent, text="@oihamza You have so much talent.", lang="en", created="2021-02-09T21:01:50Z"),
        node(
            lee,
            text="Lee Holloway's personality was consistent for decades\u2014until it wasn't. The brains behind "
            "internet security firm Clo\u2026 https://t.co/gLNdHm9yen",
            lang="en",
            created="2020-04-15T13:37:56Z",
        ),
    }
    when = "2021-02-09T21:01:50Z"
    assert found.edges == {
        edge(jessica, "FOLLOWS", YOU + "tweepydev"),
        edge(harmon, "FOLLOWS", YOU + "tweepydev"),
        edge(jessica, "TWEETED", talent, when),
        edge(jessica, "MESSAGED", hamza, when),
        edge(talent, "MENTIONS", hamza, when),
        edge(talent, "REPLIED", TWEET + "1359229632898363392", when),
        edge(harmon, "RETWEETED", lee, "2021-01-02T10:11:16Z"),  # by 1345311691584786434, no tweet of its own
    }


def test_users_looked_up_by_name() -> None:
    path = "twitter_v1_1/users-lookup/twitterapi_twitter__tweepy_testlookupusers.json"
    found = told("twitter_v1_1", "users-lookup", "twitterapi,twitter", fixture(path))
    api, twitter, witt = YOU + "twitterapi", YOU + "twitter", YOU + "wittlowry"
    fire, when = TWEET + "1167501799324082178", "2019-08-30T18:18:14Z"
    assert found.rejects == set()
    assert {name for name, _ in found.nodes} == {
        api, twitter, witt, YOU + "twitterdev", fire, TWEET + "1166401263170281472",
    }  # fmt: skip
    assert (
        node(
            twitter,
            user_id="783214",
            name="Twitter",
            location="Everywhere",
            description="What\u2019s happening?!",
            created="2007-02-20T14:35:54Z",
        )
        in found.nodes
    )
    assert found.edges == {
        edge(api, "RETWEETED", TWEET + "1166401263170281472", "2019-08-27T17:30:39Z"),
        edge(twitter, "TWEETED", fire, when),
        edge(twitter, "MESSAGED", witt, when),
        edge(fire, "MENTIONS", witt, when),
        edge(fire, "REPLIED", TWEET + "1167274429576933376", when),
        edge(fire, "TAGGED", "Hashtag teamwitt", when),
    }


def test_a_user_whose_last_tweet_quotes_another() -> None:
    path = "twitter_v1_1/users-show/TweepyDev__tweepy_testcachedresult.json"
    found = told("twitter_v1_1", "users-show", "TweepyDev", fixture(path))
    user, tweet, when = YOU + "tweepydev", TWEET + "1344098500896837632", "2020-12-30T01:50:29Z"
    issue = "URL https://github.com/tweepy/tweepy/issues/1389"
    quoted = "URL https://twitter.com/Harmon758Public/status/1344098443288055808"
    assert found.rejects == set()
    assert found.nodes == {
        node(
            user,
            user_id="1072250532645998596",
            name="Tweepy Testing",
            description="Account used to test Tweepy",
            created="2018-12-10T22:03:43Z",
        ),
        node(
            tweet,
            text="Example Tweet #2 for https://t.co/mpWtnVElZh https://t.co/RwE3tLxs1z",
            lang="en",
            created=when,
        ),
    }
    assert found.edges == {
        edge(user, "TWEETED", tweet, when),
        edge(tweet, "QUOTED", TWEET + "1344098443288055808", when),
        edge(tweet, "LINKS", issue, when),
        edge(tweet, "LINKS", quoted, when),
        edge(issue, "ON", "Domain github.com"),
        edge(quoted, "ON", "Domain twitter.com"),
    }


def test_a_timelines_tweet_and_the_one_it_carries() -> None:
    path = "twitter_v1_1/statuses-home_timeline/home_timeline.json__tweepy_testcachedresult.json"
    found = told("twitter_v1_1", "statuses-home_timeline", "home_timeline.json", fixture(path))
    wild, xmqk0 = TWEET + "1359273099355713538", TWEET + "1359272698325655561"
    andy, igor, labs = YOU + "andypiper", YOU + "igorbrigadir", YOU + "recsyslabs"
    link = "URL https://twitter.com/igorbrigadir/status/1359272698325655561"
    earlier, later = "2021-02-09T22:47:20Z", "2021-02-09T22:48:55Z"
    assert found.rejects == set()
    assert {each for each in found.edges if {wild, xmqk0} & {each[0], each[2]}} == {
        edge(andy, "TWEETED", wild, later),
        edge(wild, "QUOTED", xmqk0, later),
        edge(wild, "LINKS", link, later),
        edge(igor, "TWEETED", xmqk0, earlier),
        edge(xmqk0, "MENTIONS", labs, earlier),
        edge(xmqk0, "TAGGED", "Hashtag xmqk0", earlier),
    }
    assert edge(igor, "MESSAGED", labs, earlier) in found.edges
    assert node(labs, user_id="1194578788295811072") in found.nodes


def test_a_number_that_was_rounded_elsewhere_does_no_harm() -> None:
    path = "twitter_v1_1/statuses-show/266367358078169089__tweepy_testgetstatus.json"
    reply = json.loads(fixture(path))
    reply["id"] = float(reply["id"])  # as a tool whose numbers are all doubles writes it
    found = told("twitter_v1_1", "statuses-show", "266367358078169089", json.dumps(reply).encode())
    assert edge(YOU + "twitter", "TWEETED", TWEET + "266367358078169089", "2012-11-08T02:31:41Z") in found.edges
    assert found.rejects == set()


@pytest.mark.parametrize(
    ("endpoint", "content", "outcome"),
    [
        ("statuses_show", b'{"errors":[{"code":144,"message":"No status found with that ID."}]}', "not found"),
        ("users_show", b'{"errors":[{"code":63,"message":"User has been suspended."}]}', "not found"),
        ("users_lookup", b'{"errors":[{"code":17,"message":"No user matches for specified terms."}]}', "not found"),
        ("statuses_user_timeline", b"[]", "not found"),
        ("search_tweets", b'{"statuses":[]}', "not found"),
        ("statuses_show", b'{"errors":[{"code":32,"message":"Could not authenticate you."}]}', "unreadable"),
        ("statuses_user_timeline", b'{"error":"Not authorized."}', "unreadable"),
        ("users_show", b"{}", "unreadable"),
    ],
)
def test_what_is_gone_is_not_found_and_a_refusal_is_no_answer(endpoint: str, content: bytes, outcome: str) -> None:
    found = told("twitter_v1_1", endpoint, "266367358078169089", content)
    assert (found.outcome, found.nodes, found.edges) == (outcome, set(), set())
