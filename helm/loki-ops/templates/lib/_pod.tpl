{{/* What every pod has in common, as the restricted pod security standard wants it. The agent adds what is its host's. */}}

{{/* The upper part of a pod's spec. Takes `root`. */}}
{{- define "loki-ops.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ int64 .root.Values.runAsUser }}
  runAsGroup: {{ int64 .root.Values.runAsUser }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* The container's part that all have. Takes `root`, `component`. */}}
{{- define "loki-ops.container" -}}
image: {{ include "loki-ops.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  {{- include "loki-ops.environment" . | nindent 2 }}
volumeMounts:
  - name: settings
    mountPath: /etc/loki
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- if eq .component "agent" }}
  # a server without a serial number that may be read is known by a hash of it
  - name: machine-id
    mountPath: /etc/machine-id
    readOnly: true
  {{- end }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Takes `root`, the name of the ConfigMap, `settings`, and the MiB that a spool takes besides, `spool`. */}}
{{- define "loki-ops.volumes" -}}
- name: settings
  configMap:
    name: {{ .settings }}
- name: tmp
  emptyDir:
    sizeLimit: {{ add 64 (default 0 .spool) }}Mi
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
