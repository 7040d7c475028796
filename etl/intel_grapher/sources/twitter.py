"""Twitter, now X, version 2: users, whom they follow, their tweets, and what those name.

https://docs.x.com/x-api: a bearer token; 15-minute windows; reads are paid for. An answer may lack what is hidden or
gone and then carries `errors` beside `data`. Numbers are texts, for they are beyond 2^53. Users are known by number in
most places: their names stand in `includes` and in mentions. A retweet passes a tweet on and is none of its own.
Looked at on 2026-11-26, in stored copies: the fields of a Post, the pages on likes, on quotes and on errors, the
example payloads of developer.twitter.com, and the limits as api-evangelist/x has them from 2026-08-28 (75 requests in
15 minutes for likes, the least seen). The members of `note_tweet` and `errors` were not found: known from replies.
"""

from collections.abc import Mapping

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    FOLLOWS,
    LIKED,
    MENTIONS,
    QUOTED,
    RETWEETED,
    SCREEN_NAME,
    ScreenName,
    Tag,
    Term,
    TweetId,
)
from intel_grapher.source import MINUTES, ApiKey, Given, Outcome, Rate, Source
from intel_grapher.sources._tweets import BY_ITSELF, Passed, Post, by_name, elsewhere, told


class User(Struct):
    id: str
    username: ScreenName
    name: str | None = None
    description: str | None = None
    location: str | None = None
    created_at: str | None = None


class Mention(Struct):
    username: ScreenName
    id: str | None = None


class Hashtag(Struct):
    tag: Tag


class Url(Struct):
    expanded_url: str = ""
    unwound_url: str = ""


class Entities(Struct, frozen=True):
    mentions: list[Mention] = []
    hashtags: list[Hashtag] = []
    urls: list[Url] = []


class Note(Struct):
    """The whole of a text that is too long for `text`."""

    text: str = ""
    entities: Entities = Entities()


class Referenced(Struct):
    id: TweetId
    type: str = ""


class Tweet(Struct):
    id: TweetId
    text: str = ""
    author_id: str | None = None
    created_at: str | None = None
    lang: str | None = None
    in_reply_to_user_id: str | None = None
    referenced_tweets: list[Referenced] = []
    entities: Entities = Entities()
    note_tweet: Note | None = None

    @property
    def whole(self) -> Entities:
        """Return what the whole of it names."""
        return self.note_tweet.entities if self.note_tweet else self.entities

    def refers(self, how: str) -> list[TweetId]:
        """Return the tweets it refers to in this way."""
        return [each.id for each in self.referenced_tweets if each.type == how]


class Includes(Struct, frozen=True):
    users: list[User] = []
    tweets: list[Tweet] = []


class Meta(Struct):
    next_token: str | None = None


class Problem(Struct):
    resource_type: str | None = None


class Reply(Struct):
    includes: Includes = Includes()
    meta: Meta | None = None
    errors: list[Problem] = []


class Users(Reply):
    data: list[User] | User = []


class Tweets(Reply):
    data: list[Tweet] | Tweet = []


def judge(reply: Users | Tweets) -> Outcome:
    """Tell an empty page, and a user or tweet that is gone or hidden, from a refusal, which names no resource."""
    if reply.data:
        return Outcome.FOUND
    missing = reply.errors and all(each.resource_type for each in reply.errors)
    return Outcome.NOT_FOUND if missing or (reply.meta and not reply.errors) else Outcome.FAILED


source = Source(
    "twitter",
    title="Twitter (X)",
    home="https://api.x.com/2",
    limits=(Rate(75, per=15 * MINUTES),),  # the least of the endpoints' own
    key=ApiKey("BEARER_TOKEN", header="Authorization", prefix="Bearer "),
    judge=judge,
    terms="tweets are passed on by number only, and deleted when they are deleted there",
    status="answers; each read is paid for (2026-11)",
    also=("twitter_v2", "x"),
)

USER_FIELDS = {"user.fields": "created_at,description,location"}
TWEET_FIELDS = {
    **USER_FIELDS,
    "tweet.fields": "author_id,created_at,entities,in_reply_to_user_id,lang,note_tweet,referenced_tweets",
    "expansions": "author_id,in_reply_to_user_id,entities.mentions.username,referenced_tweets.id,"
    "referenced_tweets.id.author_id",
}
MANY = {"max_results": "100"}


def next_page(reply: Users | Tweets) -> Mapping[str, str] | None:
    """Return the parameters of a list's next page."""
    return {"pagination_token": reply.meta.next_token} if reply.meta and reply.meta.next_token else None


def next_found(reply: Tweets) -> Mapping[str, str] | None:
    """Return the parameters of a search's next page."""
    return {"next_token": reply.meta.next_token} if reply.meta and reply.meta.next_token else None


# --- what they mean ---------------------------------------------------------------------------------------------------


def users_in(reply: Users) -> list[User]:
    """Return the users a reply is about, one or many."""
    return reply.data if isinstance(reply.data, list) else [reply.data]


def tweets_in(reply: Tweets) -> list[Tweet]:
    """Return the tweets a reply is about, one or many."""
    return reply.data if isinstance(reply.data, list) else [reply.data]


def meant(reply: Tweets) -> list[TweetId]:
    """Return the tweets a list means: its own, or those that its retweets pass on."""
    return [each for tweet in tweets_in(reply) for each in tweet.refers("retweeted") or [tweet.id]]


def named(reply: Users | Tweets) -> list[User]:
    """Return every user that a reply describes."""
    return reply.includes.users + (users_in(reply) if isinstance(reply, Users) else [])


def described(reply: Users | Tweets, author: ScreenName | None = None) -> Facts:
    """Yield what a reply's users and tweets tell; `author` wrote those of its own tweets that don't tell theirs."""
    users = named(reply)
    yield SCREEN_NAME.each(
        [each.username for each in users],
        user_id=[each.id for each in users],
        name=[each.name for each in users],
        description=[each.description for each in users],
        location=[each.location for each in users],
        created=[each.created_at for each in users],
    )
    own = tweets_in(reply) if isinstance(reply, Tweets) else []
    mentions = [each for tweet in (*own, *reply.includes.tweets) for each in tweet.whole.mentions if each.id]
    yield SCREEN_NAME.each([each.username for each in mentions], user_id=[each.id for each in mentions])

    names: dict[str | None, ScreenName] = {each.id: each.username for each in mentions}
    names |= {each.id: each.username for each in users}
    tweets = [(each, author) for each in own] + [(each, None) for each in reply.includes.tweets]
    yield from told(
        [_post(tweet, names, author) for tweet, author in tweets if not tweet.refers("retweeted")],
        [
            Passed(names.get(tweet.author_id, author), each, tweet.created_at)
            for tweet, author in tweets
            for each in tweet.refers("retweeted")
        ],
    )


def _post(tweet: Tweet, names: Mapping[str | None, ScreenName], author: ScreenName | None) -> Post:
    whole = tweet.whole
    return Post(
        id=tweet.id,
        author=names.get(tweet.author_id, author),
        created=tweet.created_at,
        text=tweet.note_tweet.text if tweet.note_tweet else tweet.text,
        lang=tweet.lang,
        answers=names.get(tweet.in_reply_to_user_id),
        replied=tweet.refers("replied_to"),
        quoted=tweet.refers("quoted"),
        mentions=[each.username for each in whole.mentions],
        tags=[each.tag for each in whole.hashtags],
        links=elsewhere(tweet.id, [link for each in whole.urls for link in (each.expanded_url, each.unwound_url)]),
    )


@source.get("/users/by/username/{key}", USER_FIELDS, untied=BY_ITSELF)
def users_by_username(asked: ScreenName, reply: Users) -> Facts:
    """A user: number, name, description, place, since when."""
    yield from described(reply)


def number(reply: Users) -> str | None:
    """Return the number of the one user that a reply describes."""
    user = reply.data
    return user.id if isinstance(user, User) and user.id.isascii() and user.id.isdecimal() else None


NUMBER = Given("id", users_by_username, number)


@source.get("/users/by", {"usernames": "{key}", **USER_FIELDS})
def users_by(asked: Term, reply: Users) -> Facts:
    """Several users, by name."""
    yield from described(reply)


@source.get("/users", {"ids": "{key}", **USER_FIELDS})
def users(asked: Term, reply: Users) -> Facts:
    """Several users, by number."""
    yield from described(reply)


@source.get("/users/{id}/tweets", {**TWEET_FIELDS, **MANY}, more=next_page, given=NUMBER, untied=BY_ITSELF)
def users_tweets(asked: ScreenName, reply: Tweets) -> Facts:
    """What a user wrote and passed on."""
    yield from described(reply, author=by_name(asked))


@source.get("/users/{id}/mentions", {**TWEET_FIELDS, **MANY}, more=next_page, given=NUMBER, untied=BY_ITSELF)
def users_mentions(asked: ScreenName, reply: Tweets) -> Facts:
    """Tweets that name a user."""
    yield from described(reply)
    if name := by_name(asked):
        tweets = [each for each in tweets_in(reply) if not each.refers("retweeted")]
        yield MENTIONS.each([each.id for each in tweets], name, seen=[each.created_at for each in tweets])


@source.get("/users/{id}/followers", {**USER_FIELDS, **MANY}, more=next_page, given=NUMBER, untied=BY_ITSELF)
def users_followers(asked: ScreenName, reply: Users) -> Facts:
    """Who follows a user."""
    yield from described(reply)
    if name := by_name(asked):
        yield FOLLOWS.each([each.username for each in users_in(reply)], name)


@source.get("/users/{id}/following", {**USER_FIELDS, **MANY}, more=next_page, given=NUMBER, untied=BY_ITSELF)
def users_following(asked: ScreenName, reply: Users) -> Facts:
    """Whom a user follows."""
    yield from described(reply)
    if name := by_name(asked):
        yield FOLLOWS.each(name, [each.username for each in users_in(reply)])


@source.get("/users/{id}/liked_tweets", {**TWEET_FIELDS, **MANY}, more=next_page, given=NUMBER, untied=BY_ITSELF)
def users_liked_tweets(asked: ScreenName, reply: Tweets) -> Facts:
    """Tweets that a user likes."""
    yield from described(reply)
    if name := by_name(asked):
        yield LIKED.each(name, meant(reply))


@source.get("/users/{key}/timelines/reverse_chronological", TWEET_FIELDS, kept_only="it needs the user's own consent")
def users_timelines_reverse_chronological(asked: Term, reply: Tweets) -> Facts:
    """What those wrote whom a user follows."""
    yield from described(reply)


@source.get("/tweets", {"ids": "{key}", **TWEET_FIELDS}, untied=BY_ITSELF)
def tweets(asked: TweetId | Term, reply: Tweets) -> Facts:
    """Tweets by number, with their authors and what they refer to."""
    yield from described(reply)


@source.get("/tweets/{key}/liking_users", {**USER_FIELDS, **MANY}, more=next_page)
def tweets_liking_users(asked: TweetId, reply: Users) -> Facts:
    """Who likes a tweet."""
    yield from described(reply)
    yield LIKED.each([each.username for each in users_in(reply)], asked)


@source.get("/tweets/{key}/retweeted_by", {**USER_FIELDS, **MANY}, more=next_page)
def tweets_retweeted_by(asked: TweetId, reply: Users) -> Facts:
    """Who passed a tweet on."""
    yield from described(reply)
    yield RETWEETED.each([each.username for each in users_in(reply)], asked)


@source.get("/tweets/{key}/quote_tweets", {**TWEET_FIELDS, **MANY}, more=next_page)
def tweets_quote_tweets(asked: TweetId, reply: Tweets) -> Facts:
    """Tweets that quote a tweet."""
    yield from described(reply)
    yield QUOTED.each(meant(reply), asked)


@source.get(
    "/tweets/search/recent",
    {"query": "from:{key} OR @{key}", **TWEET_FIELDS, **MANY},
    more=next_found,
    untied=BY_ITSELF,
)
def tweets_search_recent(asked: ScreenName | Term, reply: Tweets) -> Facts:
    """Tweets of the last week by a user, to one or naming one."""
    yield from described(reply)


@source.get("/tweets/search/all", {"query": "{key}", **TWEET_FIELDS, **MANY}, more=next_found)
def tweets_search_all(asked: Term, reply: Tweets) -> Facts:
    """Tweets of all times that a search finds."""
    yield from described(reply)


@source.get("/tweets/search/stream", TWEET_FIELDS, kept_only="a stream has no end")
def tweets_search_stream(asked: Term, reply: Tweets) -> Facts:
    """Tweets as they are written."""
    yield from described(reply)
