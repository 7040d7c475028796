"""Twitter, version 1.1 of its interface, which is gone: replies that people kept serve on.

`id` is a number beyond 2^53, which other tools may have rounded: `id_str` is read. The text is `text`, or `full_text`,
or in `extended_tweet` where a stream cut it. A retweet and a quotation carry the whole of the other tweet, and a user
the last tweet. Lists of numbers alone (followers/ids, …) name nobody: no mapping.
Looked at on 2026-11-26, in stored copies of developer.x.com: the pages on the Tweet object and its example payloads.
Which error codes mean that nothing is there is known from replies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import FOLLOWS, SCREEN_NAME, ScreenName, Tag, Term, TweetId
from intel_grapher.source import MINUTES, Outcome, Rate, Source
from intel_grapher.sources._tweets import BY_ITSELF, Passed, Post, by_name, elsewhere, told

NOTHING_THERE = {17, 34, 50, 63, 144}  # no such user, page or tweet; a suspended user


class Hashtag(Struct):
    text: Tag


class Mention(Struct):
    screen_name: ScreenName
    id_str: str | None = None


class Url(Struct):
    expanded_url: str | None = None


class Entities(Struct, frozen=True):
    user_mentions: list[Mention] = []
    hashtags: list[Hashtag] = []
    urls: list[Url] = []


class Extended(Struct):
    full_text: str = ""
    entities: Entities = Entities()


class Status(Struct):
    id_str: TweetId
    text: str = ""
    full_text: str = ""
    extended_tweet: Extended | None = None
    lang: str | None = None
    created_at: str | None = None
    in_reply_to_status_id_str: TweetId | None = None
    in_reply_to_screen_name: ScreenName | None = None
    quoted_status_id_str: TweetId | None = None
    quoted_status: Status | None = None
    retweeted_status: Status | None = None
    entities: Entities = Entities()
    user: User | None = None


class User(Struct):
    screen_name: ScreenName
    id_str: str | None = None
    name: str | None = None
    description: str | None = None
    location: str | None = None
    created_at: str | None = None
    status: Status | None = None


class Problem(Struct):
    code: int = 0


class Refusal(Struct):
    errors: list[Problem] = []


class ShownStatus(Status):
    id_str: TweetId = TweetId("")
    errors: list[Problem] = []


class ShownUser(User):
    screen_name: ScreenName = ScreenName("")
    errors: list[Problem] = []


class Users(Refusal):
    users: list[User] | None = None


class Statuses(Refusal):
    statuses: list[Status] | None = None


Reply = list[Status] | list[User] | Refusal | ShownStatus | ShownUser


def judge(reply: Reply) -> Outcome:
    """Tell an empty list, and a user or tweet that is gone, from a refusal, which may be no more than an `error`."""
    said = _said(reply)
    if said:
        return Outcome.FOUND
    codes = set() if isinstance(reply, list) else {each.code for each in reply.errors}
    return Outcome.NOT_FOUND if said == [] or (codes and codes <= NOTHING_THERE) else Outcome.FAILED


def _said(reply: Reply) -> object:
    match reply:
        case Users():
            return reply.users
        case Statuses():
            return reply.statuses
        case ShownStatus() | ShownUser():
            return reply.id_str
        case Refusal():
            return None
    return reply


source = Source(
    "twitter_v1_1",
    title="Twitter 1.1",
    home="https://api.twitter.com/1.1",
    limits=(Rate(15, per=15 * MINUTES),),
    judge=judge,
    retired="since 2023: reads go by version 2",
    terms="tweets are passed on by number only, and deleted when they are deleted there",
    also=("twitter_v1",),
)


def _all(statuses: Iterable[Status], author: ScreenName | None = None) -> Iterator[tuple[Status, ScreenName | None]]:
    """Yield tweets, those within them too, with the names of their authors; `author` wrote those that name none."""
    for each in statuses:
        yield each, each.user.screen_name if each.user else author
        yield from _all(within for within in (each.retweeted_status, each.quoted_status) if within)


def _entities(status: Status) -> Entities:
    return status.extended_tweet.entities if status.extended_tweet else status.entities


def _post(status: Status, author: ScreenName | None) -> Post:
    extended = status.extended_tweet.full_text if status.extended_tweet else ""
    quoted = status.quoted_status.id_str if status.quoted_status else status.quoted_status_id_str
    named = _entities(status)
    return Post(
        id=status.id_str,
        author=author,
        created=status.created_at,
        text=extended or status.full_text or status.text,
        lang=status.lang,
        answers=status.in_reply_to_screen_name,
        replied=[status.in_reply_to_status_id_str] if status.in_reply_to_status_id_str else [],
        quoted=[quoted] if quoted else [],
        mentions=[each.screen_name for each in named.user_mentions],
        tags=[each.text for each in named.hashtags],
        links=elsewhere(status.id_str, [each.expanded_url or "" for each in named.urls]),
    )


def described(statuses: Iterable[Status] = (), users: Iterable[User] = ()) -> Facts:
    """Yield what tweets and users tell, and the tweets and users within them."""
    listed = list(users)
    tweets = list(_all(statuses))
    for each in listed:
        tweets += _all([each.status] if each.status else [], each.screen_name)
    everyone = listed + [tweet.user for tweet, _ in tweets if tweet.user]
    yield SCREEN_NAME.each(
        [each.screen_name for each in everyone],
        user_id=[each.id_str for each in everyone],
        name=[each.name for each in everyone],
        description=[each.description for each in everyone],
        location=[each.location for each in everyone],
        created=[each.created_at for each in everyone],
    )
    mentions = [each for tweet, _ in tweets for each in _entities(tweet).user_mentions]
    yield SCREEN_NAME.each([each.screen_name for each in mentions], user_id=[each.id_str for each in mentions])
    yield from told(
        [_post(tweet, author) for tweet, author in tweets if not tweet.retweeted_status],
        [
            Passed(author, tweet.retweeted_status.id_str, tweet.created_at)
            for tweet, author in tweets
            if tweet.retweeted_status
        ],
    )


def _timeline(reply: list[Status] | Refusal) -> Facts:
    return described(reply if isinstance(reply, list) else [])


@source.get("/statuses/show.json", {"id": "{key}"}, untied=BY_ITSELF)
def statuses_show(asked: TweetId | Term, reply: ShownStatus) -> Facts:
    """A tweet, its author, and what it answers, quotes or passes on."""
    yield from described([reply])


@source.get("/statuses/user_timeline.json", {"screen_name": "{key}"}, untied=BY_ITSELF)
def statuses_user_timeline(asked: ScreenName | Term, reply: list[Status] | Refusal) -> Facts:
    """What a user wrote and passed on."""
    yield from _timeline(reply)


@source.get("/statuses/home_timeline.json")
def statuses_home_timeline(asked: Term, reply: list[Status] | Refusal) -> Facts:
    """What those wrote whom a user follows."""
    yield from _timeline(reply)


@source.get("/statuses/mentions_timeline.json")
def statuses_mentions_timeline(asked: Term, reply: list[Status] | Refusal) -> Facts:
    """Tweets that name a user."""
    yield from _timeline(reply)


@source.get("/statuses/retweets/{key}.json", untied=BY_ITSELF)
def statuses_retweets_id(asked: TweetId | Term, reply: list[Status] | Refusal) -> Facts:
    """Who passed a tweet on, and when."""
    yield from _timeline(reply)


@source.get("/lists/statuses.json", {"list_id": "{key}"})
def lists_statuses(asked: Term, reply: list[Status] | Refusal) -> Facts:
    """Tweets of the members of a list."""
    yield from _timeline(reply)


@source.get("/search/tweets.json", {"q": "{key}"})
def search_tweets(asked: Term, reply: Statuses) -> Facts:
    """Tweets that a search finds."""
    yield from described(reply.statuses or [])


@source.get("/users/show.json", {"screen_name": "{key}"}, untied=BY_ITSELF)
def users_show(asked: ScreenName | Term, reply: ShownUser) -> Facts:
    """A user and the user's last tweet."""
    yield from described(users=[reply])


@source.get("/users/lookup.json", {"screen_name": "{key}"})
def users_lookup(asked: Term, reply: list[User] | Refusal) -> Facts:
    """Several users and their last tweets."""
    yield from described(users=reply if isinstance(reply, list) else [])


@source.get("/users/search.json", {"q": "{key}"})
def users_search(asked: Term, reply: list[User] | Refusal) -> Facts:
    """Users that a search finds, and their last tweets."""
    yield from described(users=reply if isinstance(reply, list) else [])


@source.get("/followers/list.json", {"screen_name": "{key}"}, untied=BY_ITSELF)
def followers_list(asked: ScreenName | Term, reply: Users) -> Facts:
    """Who follows a user."""
    yield from described(users=reply.users or [])
    if name := by_name(asked):
        yield FOLLOWS.each([each.screen_name for each in reply.users or []], name)


@source.get("/friends/list.json", {"screen_name": "{key}"}, untied=BY_ITSELF)
def friends_list(asked: ScreenName | Term, reply: Users) -> Facts:
    """Whom a user follows."""
    yield from described(users=reply.users or [])
    if name := by_name(asked):
        yield FOLLOWS.each(name, [each.screen_name for each in reply.users or []])
