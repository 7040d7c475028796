"""Twitter v2: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import pytest
from replies import edge, fixture, node, told

YOU, TWEET = "TwitterUser ", "Tweet "


def test_a_reply_that_quotes_with_what_it_refers_to() -> None:
    found = told("twitter", "tweets", "1576995594388000768", fixture("twitter_v2/tweets/twarc_quoted_edit_1.json"))
    test, selfie, hey = (TWEET + each for each in ("1576995594388000768", "1576994746135764992", "1576994789110992896"))
    david, jane = YOU + "dappdavid99", YOU + "wongmjane"
    link = "URL https://twitter.com/wongmjane/status/1576994746135764992"
    assert found.rejects == set()
    assert found.nodes == {
        node(david, user_id="1494167419413094401", name="david", created="2022-02-17T04:30:55Z"),
        node(
            jane,
            user_id="337119125",
            name="Jane Manchun Wong",
            description="the real hidden features are the friends we made along the way\uff0efrontend engineer\uff0e"
            "forbes 30 under 30 \U0001f469\U0001f3fb\u200d\U0001f4bb",
            created="2011-07-17T13:48:53Z",
        ),
        node(test, text="@wongmjane Test \nhttps://t.co/rBFwqjVr6B", lang="en", created="2022-10-03T18:00:23Z"),
        node(
            selfie,
            text="i miss y\u2019all so much haha,,, https://t.co/glJ0r9uh9F https://t.co/4E9OBHOATs",
            lang="en",
            created="2022-10-03T17:57:01Z",
        ),
        node(hey, text="hey :) https://t.co/rnwEIoNuqd", lang="qst", created="2022-10-03T17:57:11Z"),
    }
    # The pictures of 1576994746135764992 and the other edits are links to the tweets themselves: no facts.
    when = "2022-10-03T18:00:23Z"
    assert found.edges == {
        edge(david, "TWEETED", test, when),
        edge(jane, "TWEETED", selfie, "2022-10-03T17:57:01Z"),
        edge(jane, "TWEETED", hey, "2022-10-03T17:57:11Z"),
        edge(david, "MESSAGED", jane, when),
        edge(test, "QUOTED", selfie, when),
        edge(test, "REPLIED", hey, when),
        edge(test, "MENTIONS", jane, when),
        edge(test, "LINKS", link, when),
        edge(link, "ON", "Domain twitter.com"),
    }


def test_an_answer_in_part_tells_what_it_has() -> None:
    found = told("twitter", "tweets", "506695756406095872", fixture("twitter_v2/tweets/twarc_withheld_3.json"))
    tweet, when = TWEET + "506695756406095872", "2014-09-02T06:50:56Z"
    author = YOU + "put_in_vor"
    assert found.outcome == "found"
    assert found.rejects == set()
    assert {name for name, _ in found.nodes} == {author, YOU + "barsyaka1", YOU + "ddeleteddddddd", tweet}
    assert found.edges == {
        edge(author, "TWEETED", tweet, when),
        edge(author, "MESSAGED", YOU + "barsyaka1", when),  # it names this one
        edge(author, "MESSAGED", YOU + "ddeleteddddddd", when),  # and answers this one, who has a new name since
        edge(tweet, "MENTIONS", YOU + "barsyaka1", when),
        edge(tweet, "REPLIED", TWEET + "506694458445152256", when),  # which is gone: the reply's `errors` say so
    }


def test_a_streams_single_tweet() -> None:
    path = "twitter_v2/tweets-search-stream/twarc_streaming_output_with_error_1.json"
    found = told("twitter", "tweets_search_stream", "rule", fixture(path))
    fury, car = TWEET + "1377650090978992134", TWEET + "1377640162566496258"
    species, gary = YOU + "blackheart_265", YOU + "manie_ds"
    link = "URL https://twitter.com/Manie_DS/status/1377640162566496258"
    assert found.rejects == set()
    assert found.nodes == {
        node(
            species,
            user_id="4602771083",
            name="Endangered Species",
            description="Education Specialist| Passionate about improving access to quality education|",
            location="Mzuzu, Malawi",
            created="2015-12-25T18:50:44Z",
        ),
        node(
            gary,
            user_id="41783881",
            name="Gary the Parademon",
            description="Rotaracter - Just another casualty of society.. Side effects include questioning your sanity,"
            "  blurred vision, and banter..",
            location="\u00dcT: -15.8198274,35.0281207",
            created="2009-05-22T09:37:50Z",
        ),
        node(
            fury, text="Fury https://t.co/YbMgHU5xRX https://t.co/tXgDG9jrKX", lang="en", created="2021-04-01T15:52:31Z"
        ),
        node(
            car,
            text="My car, Money, Warzone, My dogs, Food, Captain Morgan https://t.co/VRkJDcPO9U",
            lang="en",
            created="2021-04-01T15:13:04Z",
        ),
    }
    assert found.edges == {
        edge(species, "TWEETED", fury, "2021-04-01T15:52:31Z"),
        edge(gary, "TWEETED", car, "2021-04-01T15:13:04Z"),
        edge(fury, "QUOTED", car, "2021-04-01T15:52:31Z"),
        edge(fury, "LINKS", link, "2021-04-01T15:52:31Z"),
        edge(link, "ON", "Domain twitter.com"),
    }


def test_all_that_a_search_tells_of_one_user() -> None:
    path = "twitter_v2/tweets-search-recent/twarc_brexit_1.json"
    found = told("twitter", "tweets_search_recent", "brexit", fixture(path))
    user, mine, when = YOU + "calin_a", TWEET + "1440716745577140229", "2021-09-22T16:36:54Z"
    answered = TWEET + "1440621713281093641"
    tags = ("fuckbrexit", "brexitsucks", "brexit", "brexitdisaster", "brexitchaos", "brexitshortages", "hunger")
    assert found.rejects == set()
    assert {each for each in found.edges if each[0] in {user, mine}} == {
        edge(user, "TWEETED", mine, when),
        edge(user, "RETWEETED", answered, "2021-09-22T16:30:02Z"),  # by 1440715019293888521, no tweet of its own
        edge(user, "MESSAGED", YOU + "andrewknight226", when),
        edge(mine, "REPLIED", answered, when),
        edge(mine, "MENTIONS", YOU + "andrewknight226", when),
        *(edge(mine, "TAGGED", "Hashtag " + tag, when) for tag in tags),
    }
    assert TWEET + "1440715019293888521" not in {name for name, _ in found.nodes}


def test_a_link_tells_where_it_leads() -> None:
    found = told("twitter", "tweets", "1388424788171841537", fixture("twitter_v2/tweets/twarc_withheld_1.json"))
    tweet, when = TWEET + "1388424788171841537", "2021-05-01T09:27:19Z"
    short = "URL http://econ.st/3u72y2l"
    long = (
        "URL https://www.economist.com/diary/2021/04/30/indias-second-wave-of-covid-19-feels-nothing-like-its-first"
        "?utm_campaign=editorial-social&utm_medium=social-organic&utm_source=twitter"
    )
    assert found.edges == {
        edge(YOU + "manavjivan", "TWEETED", tweet, when),
        edge(tweet, "LINKS", short, when),
        edge(tweet, "LINKS", long, when),
        edge(short, "ON", "Domain econ.st"),
        edge(long, "ON", "SubDomain www.economist.com"),
    }


@pytest.mark.parametrize(("asked", "follows"), [("783214", 0), ("twitter", 100)])
def test_who_follows_is_told_only_where_the_one_followed_has_a_name(asked: str, follows: int) -> None:
    path = "twitter_v2/users-followers/783214__tweepy_test_client_get_users_followers.json"
    found = told("twitter", "users_followers", asked, fixture(path))
    assert len(found.nodes) == 100
    assert node(YOU + "zamari97491661", user_id="1376998163739987969", name="Za\u2019mari") in found.nodes
    assert len(found.edges) == follows
    if follows:
        assert edge(YOU + "zamari97491661", "FOLLOWS", YOU + "twitter") in found.edges


def test_who_likes_a_tweet_passes_it_on_or_quotes_it() -> None:
    path = "twitter_v2/tweets-liking_users/1293593516040269825__tweepy_test_asyncclient_get_liking_users.json"
    liked = told("twitter", "tweets-liking_users", "1293593516040269825", fixture(path)).edges
    assert len(liked) == 81
    assert {each[1:3] for each in liked} == {("LIKED", TWEET + "1293593516040269825")}

    path = "twitter_v2/tweets-retweeted_by/1415348607813832708__tweepy_test_asyncclient_get_retweeters.json"
    passed = told("twitter", "tweets-retweeted_by", "1415348607813832708", fixture(path)).edges
    assert edge(YOU + "astafieff_slava", "RETWEETED", TWEET + "1415348607813832708") in passed
    assert len(passed) == 62

    path = "twitter_v2/tweets-quote_tweets/1293593516040269825__tweepy_test_asyncclient_get_quote_tweets.json"
    quoted = told("twitter", "tweets-quote_tweets", "1293593516040269825", fixture(path)).edges
    assert quoted == {
        edge(TWEET + each, "QUOTED", TWEET + "1293593516040269825")
        for each in (
            *("1458146351036841988", "1456942863447588871", "1453474504928280580", "1452401301044797451"),
            *("1452329441200386056", "1451925842486079488", "1450521278658482182", "1447635166986375173"),
            "1447395402676793345",
        )
    }


def test_one_user_is_an_object_not_a_list() -> None:
    path = "twitter_v2/users-by-username/Twitter__tweepy_test_asyncclient_get_user.json"
    found = told("twitter", "users-by-username", "Twitter", fixture(path))
    assert found.nodes == {node(YOU + "twitter", user_id="783214", name="Twitter")}


GONE = b'{"errors":[{"title":"Not Found Error","resource_type":"user","parameter":"username","value":"gone_lantern"}]}'
SUSPENDED = b'{"errors":[{"title":"Forbidden","resource_type":"user","detail":"User has been suspended: [lantern]."}]}'
EMPTY = b'{"meta":{"result_count":0}}'
REFUSED = b'{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}'
CUT_OFF = b'{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect"}]}'


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (GONE, "not found"),
        (SUSPENDED, "not found"),
        (EMPTY, "not found"),
        (REFUSED, "unreadable"),
        (CUT_OFF, "unreadable"),
    ],
)
def test_a_missing_user_is_no_failure_and_a_refusal_is_no_answer(content: bytes, outcome: str) -> None:
    found = told("twitter", "users_by_username", "gone_lantern", content)
    assert (found.outcome, found.nodes, found.edges) == (outcome, set(), set())
