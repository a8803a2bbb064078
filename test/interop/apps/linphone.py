#!/usr/bin/python3
"""A phone made of liblinphone, the library of the Linphone apps, for what their command line can't do: typing, and reading.
It is told what to do by lines of JSON on standard input, and tells what happens, as slix.py does. Its first line is
    {"do": "connect", "config": "linphonerc", "log": "linphone.log"}
"""
import ctypes
import json
import os
import select
import sys

lib = ctypes.CDLL('liblinphone.so.10')
text, handle, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int


def function(name, result, *arguments):
    f = getattr(lib, name)
    f.restype, f.argtypes = result, arguments
    return f


factory = function('linphone_factory_get', handle)
new_core = function('linphone_factory_create_core_3', handle, handle, text, text, handle)
new_address = function('linphone_factory_create_address', handle, handle, text)
start = function('linphone_core_start', number, handle)
iterate = function('linphone_core_iterate', None, handle)
account = function('linphone_core_get_default_proxy_config', handle, handle)
registration = function('linphone_proxy_config_get_state', number, handle)
room_with = function('linphone_core_get_chat_room', handle, handle, handle)
new_message = function('linphone_chat_room_create_message_from_utf8', handle, handle, text)
send = function('linphone_chat_message_send', None, handle)
state_of = function('linphone_chat_message_get_state', number, handle)
text_of = function('linphone_chat_message_get_utf8_text', text, handle)
outgoing = function('linphone_chat_message_is_outgoing', number, handle)
reference = function('linphone_chat_message_ref', handle, handle)
compose = function('linphone_chat_room_compose', None, handle)
composes = function('linphone_chat_room_is_remote_composing', ctypes.c_ubyte, handle)
mark_read = function('linphone_chat_room_mark_as_read', None, handle)
history = function('linphone_chat_room_get_history', handle, handle, number)
following = function('bctbx_list_next', handle, handle)
value = function('bctbx_list_get_data', handle, handle)
default_account = function('linphone_core_get_default_account', handle, handle)
params_of = function('linphone_account_get_params', handle, handle)
clone = function('linphone_account_params_clone', handle, handle)
enable_cpim = function('linphone_account_params_enable_cpim_in_basic_chat_room', None, handle, ctypes.c_ubyte)
set_params = function('linphone_account_set_params', number, handle, handle)
log_service = function('linphone_logging_service_get', handle)
log_level = function('linphone_logging_service_set_log_level', None, handle, number)
log_file = function('linphone_logging_service_set_log_file', None, handle, text, text, ctypes.c_size_t)

DEBUG, REGISTERED, FAILED = 1, 2, 4
STATES = ['idle', 'in progress', 'delivered', 'not delivered', 'file transfer error', 'file transfer done', 'delivered to user',
          'displayed']


def tell(event, **what):
    print(json.dumps({'event': event, **{k: str(v) for k, v in what.items() if v not in (None, '')}}), flush=True)


class Phone:
    def __init__(self, config, log, cpim='no'):
        log_level(log_service(), DEBUG)
        log_file(log_service(), os.path.dirname(os.path.abspath(log)).encode(), os.path.basename(log).encode(), 100 << 20)
        self.core = new_core(factory(), config.encode(), None, None)
        start(self.core)
        if cpim == 'yes':
            params = clone(params_of(default_account(self.core)))
            enable_cpim(params, 1)
            set_params(default_account(self.core), params)
        self.rooms, self.sent, self.seen = {}, {}, set()
        self.registered = 0

    def room(self, address):
        if address not in self.rooms:
            room = room_with(self.core, new_address(factory(), f'sip:{address}'.encode()))
            self.rooms[address] = [room, False]
        return self.rooms[address][0]

    def write(self, to, body, id):
        message = reference(new_message(self.room(to), body.encode()))
        self.sent[id] = [message, 'idle']
        send(message)

    def turn(self):
        """Looks at what has changed: the library has callbacks, but this needs none."""
        iterate(self.core)
        now = registration(account(self.core))
        if now != self.registered and now in (REGISTERED, FAILED):
            tell('connect done' if now == REGISTERED else 'connect refused')
        self.registered = now
        for id, known in self.sent.items():
            state = STATES[state_of(known[0])]
            if state != known[1]:
                tell('state', id=id, state=state)
            known[1] = state
        for address, known in self.rooms.items():
            typing = bool(composes(known[0]))
            if typing != known[1]:
                tell('typing', **{'from': address, 'active': 'yes' if typing else 'no'})
            known[1] = typing
            item = history(known[0], 0)
            while item:
                message = value(item)
                if message not in self.seen and not outgoing(message):
                    self.seen.add(reference(message))
                    tell('message', bare=address, type='chat', body=(text_of(message) or b'').decode())
                item = following(item)


phone, waiting = None, b''
while True:
    ready, _, _ = select.select([sys.stdin], [], [], 0.02)
    if ready:
        data = os.read(0, 1 << 16)
        if not data:
            break
        waiting += data
    *lines, waiting = waiting.split(b'\n')
    for what in map(json.loads, lines):
        name = what.pop('do')
        if name == 'connect':
            phone = Phone(**what)
        elif name == 'room':
            phone.room(what['with'])
        elif name == 'write':
            phone.write(**what)
        elif name == 'type':
            compose(phone.room(what['to']))
        elif name == 'read':
            mark_read(phone.room(what['from']))
        if name != 'connect':
            tell(name + ' done')
    if phone:
        phone.turn()
