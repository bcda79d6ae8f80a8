import { Application, Converter, ReflectionKind } from 'typedoc'

/** A TypeDoc plugin: what the reference needs that no option does. */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const entry of project.getReflectionsByKind(ReflectionKind.Module)) {
      entry.name = importOf(entry.name)
    }
    for (const reflection of Object.values(project.reflections)) {
      // Options come from interfaces that are no public names.
      if (!reflection.inheritedFrom?.reflection) delete reflection.inheritedFrom
      for (const tag of reflection.comment?.blockTags ?? []) rewrite(tag)
    }
  })
  app.on(Application.EVENT_VALIDATE_PROJECT, (project) => {
    for (const name of project.children.flatMap((entry) => entry.children ?? [])) {
      // What two entries export is documented in the first.
      if (hasExample(name.isReference() ? name.getTargetReflectionDeep() : name)) continue
      app.logger.validationWarning(`${name.getFullName()} has no @example`)
    }
  })
}

/** What an app writes to import an entry, by the entry's path. */
function importOf(path) {
  if (path === 'index') return 'tidings'
  return `tidings/${path.replace(/^(faces|bindings)\/|\/(index|bearer)$/g, '')}`
}

function hasExample({ comment, signatures = [] }) {
  return [comment, ...signatures.map((signature) => signature.comment)].some((comment) =>
    comment?.getTag('@example'),
  )
}

function rewrite({ tag, typeAnnotation, content }) {
  if (tag === '@throws' && typeAnnotation) {
    const type = `\`${typeAnnotation.slice(1, -1)}\``
    content.unshift({ kind: 'code', text: type }, { kind: 'text', text: ', ' })
  }
  if (tag === '@example') {
    // So that the build of the site type-checks it.
    for (const part of content) part.text = part.text.replace(/^```(tsx?|vue)$/m, '```$1 twoslash')
  }
}
