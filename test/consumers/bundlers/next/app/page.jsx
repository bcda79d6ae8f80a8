import { build } from '../../app/main.js'
import { Feed } from './feed'

export default async function Page() {
  return (
    <main data-build={await build}>
      <Feed />
    </main>
  )
}
