import * as main from 'tidings'
import * as auth from 'tidings/auth'
import * as fetchEventSource from 'tidings/fetch-event-source'
import * as parser from 'tidings/parser'
import * as react from 'tidings/react'
import * as vue from 'tidings/vue'
import { read } from './read.js'

read({ main, auth, 'fetch-event-source': fetchEventSource, parser, react, vue })
