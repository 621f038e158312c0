"""How readers that ask at the same time share a room."""

from consumers.rooms import Room
from consumers.shares import Shares
from consumers.sizes import FIRST_GUESS_BYTES, MAX_BYTES, Sizes
from tests.consumers.making import make_entry, make_handler, make_room


def shares_for(readers: int, *, entry_bytes: int = 256) -> Shares:
    """Make the shares of readers that have seen many entries of a size."""
    sizes = Sizes()
    for _ in range(2000):
        sizes.note(entry_bytes)
    shares = Shares(sizes)
    shares.readers = readers
    return shares


def small_room(places: int) -> Room:
    """Make a room with so many places."""
    return make_room(make_handler(concurrency=1, read_ahead=places - 1))


def test_what_one_has_asked_for_another_cannot_ask_for() -> None:
    """Together they ask for no more than there is room for."""
    shares, room = shares_for(2), small_room(10)
    first = shares.may_ask(room)
    with shares.asking(room, first):
        second = shares.may_ask(room)
        with shares.asking(room, second):
            third = room.free - shares.may_ask(room)

    assert (first, second, third) == (5, 2, 2)
    assert room.free == 10


def test_what_is_asked_for_at_once_is_bounded_over_all_rooms() -> None:
    """Bodies may be large, and rooms many."""
    shares = shares_for(1, entry_bytes=FIRST_GUESS_BYTES)
    rooms = [small_room(100), small_room(100)]
    most = MAX_BYTES // FIRST_GUESS_BYTES
    first = shares.may_ask(rooms[0])
    with shares.asking(rooms[0], first):
        second = shares.may_ask(rooms[1])

    assert (first, second) == (most, 0)
    assert shares.may_ask(rooms[1]) == most


def test_a_reader_that_blocks_leaves_its_share_to_those_that_do_not() -> None:
    """It keeps one place, for what it may be given."""
    shares, room = shares_for(2), small_room(10)
    with shares.blocking([room]):
        blocked = (shares.may_ask(room), room.free)

    assert blocked == (9, 9)


def test_those_that_block_keep_at_most_half_of_a_room() -> None:
    """The rest is for those that have something to read."""
    shares, room = shares_for(3), small_room(3)
    alone = shares_for(1)
    may = [shares.may_block(room)]
    with shares.blocking([room]):
        may.append(shares.may_block(room))

    assert may == [True, False]
    assert alone.may_block(small_room(1))
    assert not shares.may_block(small_room(1))


def test_no_place_in_which_an_entry_could_be_handled_is_kept() -> None:
    """A tag in which nothing comes must not slow down the others."""
    room = make_room(make_handler(concurrency=10, read_ahead=0))

    assert not shares_for(2).may_block(room)
    assert shares_for(1).may_block(room)


def test_a_full_room_is_blocked_for_by_nobody() -> None:
    """What came would have no place."""
    shares, room = shares_for(1), small_room(1)
    room.put(make_entry())

    assert not shares.may_block(room)
    assert shares.may_ask(room) == 0
